"""What the engine and cluster tests share: the real Pulumi command line, the cluster, a database, a bucket, a load."""
