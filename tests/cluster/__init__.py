"""Real pods, the real server and client, a real database and object store."""
