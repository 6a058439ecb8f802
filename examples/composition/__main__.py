"""MLflow inside a larger program: a shared bucket, the organisation's key and tags, and two deployments.

Every provider is explicit; the stack disables default providers.
"""

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s
import pulumi_random as random
from pulumi_mlflow import MlflowDeployment

TAGS = {"owner": "platform"}
cloud = aws.Provider("cloud", region="eu-central-1", default_tags=aws.ProviderDefaultTagsArgs(tags=TAGS))
cluster = k8s.Provider("cluster", context="platform", cluster_identifier="platform")
chance = random.Provider("chance")
own = pulumi.ResourceOptions(provider=cloud)

key = aws.kms.Key("data", description="Data of the platform", enable_key_rotation=True, opts=own)
models = aws.s3.Bucket("models", opts=own)
facts = {
    "vpcId": "vpc-0123456789abcdef0",
    "subnetIds": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "clusterSecurityGroupIds": ["sg-0123456789abcdef0"],
    "clusterName": "platform",
    "kmsKeyArn": key.arn,
}

for team in ("research", "production"):
    deployment = MlflowDeployment(
        team,
        {
            "namespace": f"mlflow-{team}",
            "aws": facts,
            "database": {"aurora": {"engine": "postgresql", "serverlessV2": {"maxCapacity": 4}}},
            # The team's prefix in the shared bucket, and nothing else.
            "artifacts": {"s3": {"bucket": models.bucket, "prefix": team, "region": models.region}},
            "identity": {"podIdentity": {}},
            "server": {"replicas": 2},
        },
        pulumi.ResourceOptions(providers=[cloud, cluster, chance]),
    )
    pulumi.export(f"{team}TrackingUri", deployment.tracking_uri)
