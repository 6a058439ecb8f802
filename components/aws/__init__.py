"""Database, bucket and role on AWS. Imported only when chosen, since its modules import the AWS SDK."""
