"""What is made on AWS: database, bucket and role. Its modules import the AWS SDK, so they are imported when chosen."""
