"""A network, an AKS cluster in it, and MLflow on the cluster with its own database, container and identity.

`pulumi up` takes about 25 minutes, most of it for the cluster and the database.
"""

import base64

import pulumi
import pulumi_kubernetes as k8s
from pulumi_azure_native import containerservice, network, privatedns, resources
from pulumi_mlflow import MlflowDeployment

NAME = "mlflow"
location = pulumi.Config("azure-native").require("location")
group = resources.ResourceGroup(NAME, location=location)

# The network: one subnet each for nodes, database and private endpoints.
vnet = network.VirtualNetwork(
    NAME,
    resource_group_name=group.name,
    location=location,
    address_space=network.AddressSpaceArgs(address_prefixes=["10.0.0.0/16"]),
)


def subnet(name: str, prefix: str, after: list[pulumi.Resource], service: str | None = None) -> network.Subnet:
    """A subnet, delegated to a service if one is given. Azure accepts one change of a network's subnets at a time."""
    return network.Subnet(
        name,
        subnet_name=name,
        resource_group_name=group.name,
        virtual_network_name=vnet.name,
        address_prefix=prefix,
        delegations=[network.DelegationArgs(name=name, service_name=service)] if service else None,
        opts=pulumi.ResourceOptions(depends_on=after),
    )


def zone(name: str, domain: str) -> pulumi.Output[str]:
    """Resource id of a private DNS zone, available once the zone is linked to the network."""
    made = privatedns.PrivateZone(name, resource_group_name=group.name, private_zone_name=domain, location="Global")
    link = privatedns.VirtualNetworkLink(
        name,
        resource_group_name=group.name,
        private_zone_name=made.name,
        location="Global",
        registration_enabled=False,
        virtual_network=privatedns.SubResourceArgs(id=vnet.id),
    )
    return pulumi.Output.all(made.id, link.id).apply(lambda ids: ids[0])


nodes = subnet("nodes", "10.0.0.0/20", [])
databases = subnet("databases", "10.0.16.0/24", [nodes], "Microsoft.DBforPostgreSQL/flexibleServers")
endpoints = subnet("endpoints", "10.0.17.0/24", [databases])

# The cluster: Workload Identity for the pods, Cilium to enforce network policies.
cluster = containerservice.ManagedCluster(
    NAME,
    resource_group_name=group.name,
    location=location,
    dns_prefix=NAME,
    identity=containerservice.ManagedClusterIdentityArgs(type=containerservice.ResourceIdentityType.SYSTEM_ASSIGNED),
    oidc_issuer_profile=containerservice.ManagedClusterOIDCIssuerProfileArgs(enabled=True),
    security_profile=containerservice.ManagedClusterSecurityProfileArgs(
        workload_identity=containerservice.ManagedClusterSecurityProfileWorkloadIdentityArgs(enabled=True)
    ),
    network_profile=containerservice.ContainerServiceNetworkProfileArgs(
        network_plugin=containerservice.NetworkPlugin.AZURE,
        network_plugin_mode=containerservice.NetworkPluginMode.OVERLAY,
        network_dataplane=containerservice.NetworkDataplane.CILIUM,
        network_policy=containerservice.NetworkPolicy.CILIUM,
        pod_cidr="10.244.0.0/16",
        service_cidr="10.1.0.0/20",
        dns_service_ip="10.1.0.10",
    ),
    agent_pool_profiles=[
        containerservice.ManagedClusterAgentPoolProfileArgs(
            name="system",
            mode=containerservice.AgentPoolMode.SYSTEM,
            vm_size="Standard_D2s_v5",
            vnet_subnet_id=nodes.id,
            availability_zones=["1", "2", "3"],
            count=2,
            enable_auto_scaling=True,
            min_count=2,
            max_count=4,
        )
    ],
)
issuer = cluster.oidc_issuer_profile.apply(lambda profile: profile.issuer_url if profile else "")
credentials = containerservice.list_managed_cluster_user_credentials_output(
    resource_group_name=group.name, resource_name=cluster.name
)
kubeconfig = pulumi.Output.secret(
    credentials.kubeconfigs.apply(lambda found: base64.b64decode(found[0].value).decode())
)
# The identifier prevents a changed kubeconfig from replacing all objects.
kubernetes = k8s.Provider("cluster", kubeconfig=kubeconfig, cluster_identifier=cluster.id)

mlflow = MlflowDeployment(
    NAME,
    {
        "azure": {
            "resourceGroup": group.name,
            "location": location,
            "delegatedSubnetId": databases.id,
            "privateDnsZoneId": zone("databases", f"{NAME}.private.postgres.database.azure.com"),
            "privateEndpoint": {
                "subnetId": endpoints.id,
                "blobDnsZoneId": zone("blobs", "privatelink.blob.core.windows.net"),
            },
            "aksOidcIssuerUrl": issuer,
        },
        "database": {"azureFlexibleServer": {"engine": "postgresql", "sku": "Standard_D2ds_v5"}},
        "artifacts": {"azureContainer": {}},
        "identity": {"azureWorkloadIdentity": {}},
        "autoscaling": {"minReplicas": 2, "maxReplicas": 4},
        "networkPolicy": {},
    },
    pulumi.ResourceOptions(providers=[kubernetes]),
)

pulumi.export("kubeconfig", kubeconfig)
pulumi.export("trackingUri", mlflow.tracking_uri)
