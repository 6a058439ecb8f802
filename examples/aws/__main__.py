"""A network, an EKS cluster in it, and MLflow on the cluster with its own database, bucket and role.

`pulumi up` takes about 25 minutes, most of it for the cluster and the database.
"""

import json

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s
from pulumi_mlflow import MlflowDeployment

NAME = "mlflow"
region = pulumi.Config("aws").require("region")
zones = [f"{region}{letter}" for letter in "ab"]
managed = "arn:aws:iam::aws:policy"

# The network: nodes and database in private subnets, one NAT gateway for image pulls and AWS APIs.
vpc = aws.ec2.Vpc(NAME, cidr_block="10.0.0.0/16", enable_dns_hostnames=True, tags={"Name": NAME})
gateway = aws.ec2.InternetGateway(NAME, vpc_id=vpc.id)
public = aws.ec2.Subnet("public", vpc_id=vpc.id, cidr_block="10.0.0.0/24", availability_zone=zones[0])
outward = aws.ec2.RouteTable("public", vpc_id=vpc.id)
aws.ec2.Route("public", route_table_id=outward.id, destination_cidr_block="0.0.0.0/0", gateway_id=gateway.id)
aws.ec2.RouteTableAssociation("public", subnet_id=public.id, route_table_id=outward.id)
address = aws.ec2.Eip("nat", domain="vpc")
nat = aws.ec2.NatGateway("nat", subnet_id=public.id, allocation_id=address.id)
inward = aws.ec2.RouteTable("private", vpc_id=vpc.id)
aws.ec2.Route("private", route_table_id=inward.id, destination_cidr_block="0.0.0.0/0", nat_gateway_id=nat.id)
private = [
    aws.ec2.Subnet(f"private-{zone}", vpc_id=vpc.id, cidr_block=f"10.0.{16 * (index + 1)}.0/20", availability_zone=zone)
    for index, zone in enumerate(zones)
]
for zone, subnet in zip(zones, private, strict=True):
    aws.ec2.RouteTableAssociation(f"private-{zone}", subnet_id=subnet.id, route_table_id=inward.id)
# Artifacts bypass the NAT gateway, which charges per gigabyte.
aws.ec2.VpcEndpoint(
    "s3", vpc_id=vpc.id, service_name=f"com.amazonaws.{region}.s3", route_table_ids=[inward.id, outward.id]
)


def role(name: str, service: str, *policies: str) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
    """A role for an AWS service, with policies managed by AWS."""
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    made = aws.iam.Role(name, assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    return made, [
        aws.iam.RolePolicyAttachment(f"{name}-{policy}", role=made.name, policy_arn=f"{managed}/{policy}")
        for policy in policies
    ]


# The cluster.
cluster_role, cluster_ready = role("cluster", "eks.amazonaws.com", "AmazonEKSClusterPolicy")
cluster = aws.eks.Cluster(
    NAME,
    role_arn=cluster_role.arn,
    vpc_config=aws.eks.ClusterVpcConfigArgs(subnet_ids=[subnet.id for subnet in private], endpoint_private_access=True),
    access_config=aws.eks.ClusterAccessConfigArgs(
        authentication_mode="API", bootstrap_cluster_creator_admin_permissions=True
    ),
    opts=pulumi.ResourceOptions(depends_on=cluster_ready),
)
node_role, node_ready = role(
    "node",
    "ec2.amazonaws.com",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryReadOnly",
)
nodes = aws.eks.NodeGroup(
    NAME,
    cluster_name=cluster.name,
    node_role_arn=node_role.arn,
    subnet_ids=[subnet.id for subnet in private],
    instance_types=["m7i.large"],
    scaling_config=aws.eks.NodeGroupScalingConfigArgs(min_size=2, desired_size=2, max_size=4),
    opts=pulumi.ResourceOptions(depends_on=[*node_ready, nat]),
)
# The first enforces network policies, the second provides the pods' role.
addons = {"vpc-cni": {"enableNetworkPolicy": "true"}, "eks-pod-identity-agent": {}, "metrics-server": {}}
for addon, settings in addons.items():
    aws.eks.Addon(
        addon,
        cluster_name=cluster.name,
        addon_name=addon,
        configuration_values=json.dumps(settings) if settings else None,
        opts=pulumi.ResourceOptions(depends_on=[nodes]),
    )
access = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": "aws"}
kubeconfig = pulumi.Output.json_dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": NAME,
                "cluster": {
                    "server": cluster.endpoint,
                    "certificate-authority-data": cluster.certificate_authority.data,
                },
            }
        ],
        "users": [
            {"name": NAME, "user": {"exec": {**access, "args": ["eks", "get-token", "--cluster-name", cluster.name]}}}
        ],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }
)
# The identifier prevents a changed kubeconfig from replacing all objects.
kubernetes = k8s.Provider(
    "cluster", kubeconfig=kubeconfig, cluster_identifier=cluster.arn, opts=pulumi.ResourceOptions(depends_on=[nodes])
)

mlflow = MlflowDeployment(
    NAME,
    {
        "aws": {
            "vpcId": vpc.id,
            "subnetIds": [subnet.id for subnet in private],
            "availabilityZones": zones,
            "clusterSecurityGroupIds": [cluster.vpc_config.cluster_security_group_id],
            "clusterName": cluster.name,
        },
        "database": {"rds": {"engine": "postgresql", "instanceClass": "db.t4g.medium"}},
        "artifacts": {"awsBucket": {}},
        "identity": {"podIdentity": {}},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
        "networkPolicy": {},
    },
    pulumi.ResourceOptions(providers=[kubernetes]),
)

pulumi.export("kubeconfig", pulumi.Output.secret(kubeconfig))
pulumi.export("trackingUri", mlflow.tracking_uri)
