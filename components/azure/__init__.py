"""Azure: what is made there. Importing it imports the cloud's SDK, so that happens only where it is chosen."""
