"""Database, bucket and identity on Google Cloud. Imported only when chosen, since its modules import the GCP SDK."""
