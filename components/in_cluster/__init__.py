"""Databases and artifact stores in the cluster, next to the server."""
