"""The bucket for artifacts on AWS."""

import dataclasses

import pulumi
from pulumi_aws import iam, s3

from ..arguments import AwsBucketArgs, S3Args
from ..contracts import ArtifactStore
from ..existing import artifacts as existing
from . import identity, policies
from .resources import Aws


def bucket(aws: Aws, args: AwsBucketArgs, role: iam.Role | None) -> ArtifactStore:
    """A bucket with all that makes it private, encrypted and recoverable, which the pods' role may use."""
    name = f"{aws.scope.name}-artifacts"
    options = aws.scope.options()
    made = s3.Bucket(
        name,
        bucket=args.bucket,
        force_destroy=args.force_destroy,
        tags=aws.tags,
        opts=aws.scope.options(protect=aws.protect),
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
        opts=aws.scope.options(depends_on=[versioning]),
    )
    policy = s3.BucketPolicy(
        name,
        bucket=made.bucket,
        policy=made.arn.apply(policies.secure_transport_only),
        # AWS refuses a policy while it changes who may be public.
        opts=aws.scope.options(depends_on=[private]),
    )
    if args.access_logs is not None:
        s3.BucketLogging(
            name,
            bucket=made.bucket,
            target_bucket=args.access_logs.bucket,
            target_prefix=args.access_logs.prefix,
            opts=options,
        )
    before: list[pulumi.Resource] = [ownership, private, versioning, encryption, policy]
    if role is not None:
        before.append(identity.grant(aws, role, made.arn, args.prefix, aws.key))
    store = existing.s3(S3Args(bucket=made.bucket, prefix=args.prefix, region=made.region, presigned=args.presigned))
    return dataclasses.replace(store, ready=before)


def use_existing(aws: Aws, args: S3Args, role: iam.Role) -> ArtifactStore:
    """Let the pods' role use a bucket that exists already, and the KMS key if one is named."""
    arn = pulumi.Output.concat("arn:*:s3:::", args.bucket)
    permission = identity.grant(aws, role, arn, args.prefix, aws.facts.kms_key_arn)
    return dataclasses.replace(existing.s3(args), ready=[permission])
