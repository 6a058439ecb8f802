"""A network, a GKE cluster in it, and MLflow on the cluster with its own database, bucket and service account.

`pulumi up` takes about 25 minutes, most of it for the cluster and the database. The project needs the APIs container, compute,
servicenetworking, sqladmin, storage and iam; your machine needs gke-gcloud-auth-plugin.
"""

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as k8s
from pulumi_mlflow import MlflowDeployment

NAME = "mlflow"
config = pulumi.Config("gcp")
project, region = config.require("project"), config.require("region")

# The network: nodes without public addresses, Cloud NAT for image pulls.
network = gcp.compute.Network(NAME, auto_create_subnetworks=False)
subnetwork = gcp.compute.Subnetwork(
    NAME,
    network=network.id,
    region=region,
    ip_cidr_range="10.0.0.0/20",
    private_ip_google_access=True,
    secondary_ip_ranges=[
        gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name="pods", ip_cidr_range="10.16.0.0/14"),
        gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name="services", ip_cidr_range="10.20.0.0/20"),
    ],
)
router = gcp.compute.Router(NAME, network=network.id, region=region)
nat = gcp.compute.RouterNat(
    NAME,
    router=router.name,
    region=region,
    nat_ip_allocate_option="AUTO_ONLY",
    source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
)
# Private services access: an address range for Google's network, where Cloud SQL runs its instances.
addresses = gcp.compute.GlobalAddress(
    NAME, network=network.id, purpose="VPC_PEERING", address_type="INTERNAL", prefix_length=16
)
services = gcp.servicenetworking.Connection(
    NAME,
    network=network.id,
    service="servicenetworking.googleapis.com",
    reserved_peering_ranges=[addresses.name],
    # A deleted instance keeps its address for some days. The peering cannot be removed until then.
    deletion_policy="ABANDON",
)

# The cluster. Autopilot includes Workload Identity and enforces network policies.
cluster = gcp.container.Cluster(
    NAME,
    location=region,
    enable_autopilot=True,
    network=network.id,
    subnetwork=subnetwork.id,
    ip_allocation_policy=gcp.container.ClusterIpAllocationPolicyArgs(
        cluster_secondary_range_name="pods", services_secondary_range_name="services"
    ),
    private_cluster_config=gcp.container.ClusterPrivateClusterConfigArgs(
        enable_private_nodes=True, enable_private_endpoint=False
    ),
    release_channel=gcp.container.ClusterReleaseChannelArgs(channel="REGULAR"),
    deletion_protection=False,
    opts=pulumi.ResourceOptions(depends_on=[nat]),
)
access = {
    "apiVersion": "client.authentication.k8s.io/v1beta1",
    "command": "gke-gcloud-auth-plugin",
    "provideClusterInfo": True,
}
kubeconfig = pulumi.Output.json_dumps(
    {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": NAME,
                "cluster": {
                    "server": pulumi.Output.concat("https://", cluster.endpoint),
                    "certificate-authority-data": cluster.master_auth.cluster_ca_certificate,
                },
            }
        ],
        "users": [{"name": NAME, "user": {"exec": access}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}],
        "current-context": NAME,
    }
)
# The identifier prevents a changed kubeconfig from replacing all objects.
kubernetes = k8s.Provider("cluster", kubeconfig=kubeconfig, cluster_identifier=cluster.id)

mlflow = MlflowDeployment(
    NAME,
    {
        # The network's name as an output of the connection, so that the connection exists before the database.
        "gcp": {"project": project, "region": region, "network": services.network},
        "database": {"cloudSql": {"engine": "postgresql", "tier": "db-custom-2-7680"}},
        "artifacts": {"gcpBucket": {}},
        "identity": {"gcpServiceAccount": {}},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
        "networkPolicy": {},
    },
    pulumi.ResourceOptions(providers=[kubernetes]),
)

pulumi.export("kubeconfig", pulumi.Output.secret(kubeconfig))
pulumi.export("trackingUri", mlflow.tracking_uri)
