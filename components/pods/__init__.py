"""Containers, Jobs and CronJobs of a deployment. Reads the contracts and knows nothing about clouds."""
