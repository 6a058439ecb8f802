"""The command line, `pulumi-mlflow`: what people do to a running deployment by hand.

It changes nothing that the component declares. Images, Secrets, volumes and limits of a Job are those of a CronJob that `pulumi up` has
made; this starts the Job, follows its log and says how it ended, with the user's own rights in the cluster.
"""
