"""Create the bucket in MinIO. Runs inside the MLflow image, with the keys and the endpoint in its environment."""

from __future__ import annotations

import os
import sys
import time

import boto3
from botocore.exceptions import BotoCoreError, ClientError


def main(bucket: str, seconds: int = 120) -> int:
    store = boto3.client("s3", endpoint_url=os.environ["MLFLOW_S3_ENDPOINT_URL"], region_name="us-east-1")
    until = time.monotonic() + seconds
    while True:
        try:
            names = [found["Name"] for found in store.list_buckets()["Buckets"]]
            if bucket not in names:
                store.create_bucket(Bucket=bucket)
            print(f"bucket {bucket} {'already exists' if bucket in names else 'created'}")
            return 0
        except (BotoCoreError, ClientError) as error:
            if time.monotonic() > until:
                print(f"MinIO did not create the bucket {bucket} within {seconds} seconds: {error}", file=sys.stderr)
                return 1
            time.sleep(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
