"""What runs: the containers, Jobs and CronJobs of a deployment. Reads the contracts and knows nothing of clouds."""
