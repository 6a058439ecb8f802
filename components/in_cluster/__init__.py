"""What is made in the cluster, beside the server."""
