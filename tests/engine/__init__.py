"""The real command line and providers against a real API server."""
