"""The artifact bucket on AWS."""

import dataclasses
from collections.abc import Sequence

import pulumi
from pulumi_aws import s3

from ..arguments import AwsBucketArgs, S3Args
from ..contracts import ArtifactStore
from ..existing import artifacts as existing
from . import policies
from .resources import Aws


def bucket(aws: Aws, args: AwsBucketArgs) -> tuple[s3.Bucket, Sequence[pulumi.Resource]]:
    """A private, encrypted, versioned bucket, without any grants. Long since AWS has one resource per setting of a bucket.

    Returns:
        The bucket, and what must exist before it is used.
    """
    name = f"{aws.place.name}-artifacts"
    options = aws.place.options()
    made = s3.Bucket(
        name,
        bucket=args.bucket,
        force_destroy=args.force_destroy,
        tags=aws.tags,
        opts=aws.place.options(protect=aws.protect),
    )
    ownership = s3.BucketOwnershipControls(
        name,
        bucket=made.bucket,
        rule=s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
        opts=options,
    )
    private = s3.BucketPublicAccessBlock(
        name,
        bucket=made.bucket,
        block_public_acls=True,
        block_public_policy=True,
        ignore_public_acls=True,
        restrict_public_buckets=True,
        opts=options,
    )
    versioning = s3.BucketVersioning(
        name,
        bucket=made.bucket,
        versioning_configuration=s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
        opts=options,
    )
    encryption = s3.BucketServerSideEncryptionConfiguration(
        name,
        bucket=made.bucket,
        rules=[
            s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                    sse_algorithm="aws:kms", kms_master_key_id=aws.key
                ),
                bucket_key_enabled=True,
            )
        ],
        opts=options,
    )
    s3.BucketLifecycleConfiguration(
        name,
        bucket=made.bucket,
        rules=[
            s3.BucketLifecycleConfigurationRuleArgs(
                id="housekeeping",
                status="Enabled",
                filter=s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                abort_incomplete_multipart_upload=s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=args.abort_upload_days
                ),
                noncurrent_version_expiration=s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                    noncurrent_days=args.noncurrent_version_days
                ),
                expiration=s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
            )
        ],
        opts=aws.place.options(depends_on=[versioning]),
    )
    policy = s3.BucketPolicy(
        name,
        bucket=made.bucket,
        policy=made.arn.apply(policies.secure_transport_only),
        # AWS refuses a bucket policy while the public access block is being changed.
        opts=aws.place.options(depends_on=[private]),
    )
    if args.access_logs is not None:
        s3.BucketLogging(
            name,
            bucket=made.bucket,
            target_bucket=args.access_logs.bucket,
            target_prefix=args.access_logs.prefix,
            opts=options,
        )
    return made, [ownership, private, versioning, encryption, policy]


def store(args: AwsBucketArgs, made: s3.Bucket, ready: Sequence[pulumi.Resource]) -> ArtifactStore:
    """The bucket as MLflow uses it."""
    at = S3Args(bucket=made.bucket, prefix=args.prefix, region=made.region, presigned=args.presigned)
    return dataclasses.replace(existing.s3(at), ready=ready)
