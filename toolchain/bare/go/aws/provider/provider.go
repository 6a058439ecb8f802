// Package provider describes the AWS provider to the bridge: which Terraform resource is which Pulumi resource. Only what
// a deployment and its examples use is described; tokens and names are those of the released plugin.
package provider

import (
	"context"
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"

	"github.com/hashicorp/terraform-provider-aws/shim"
)

var resources = map[string]map[string]string{
	"cloudwatch": {"aws_cloudwatch_log_group": "LogGroup"},
	"ec2": {
		"aws_eip":                     "Eip",
		"aws_internet_gateway":        "InternetGateway",
		"aws_nat_gateway":             "NatGateway",
		"aws_route":                   "Route",
		"aws_route_table":             "RouteTable",
		"aws_route_table_association": "RouteTableAssociation",
		"aws_security_group":          "SecurityGroup",
		"aws_subnet":                  "Subnet",
		"aws_vpc":                     "Vpc",
		"aws_vpc_endpoint":            "VpcEndpoint",
	},
	"eks": {
		"aws_eks_addon":                    "Addon",
		"aws_eks_cluster":                  "Cluster",
		"aws_eks_node_group":               "NodeGroup",
		"aws_eks_pod_identity_association": "PodIdentityAssociation",
	},
	"iam": {
		"aws_iam_openid_connect_provider": "OpenIdConnectProvider",
		"aws_iam_role":                    "Role",
		"aws_iam_role_policy":             "RolePolicy",
		"aws_iam_role_policy_attachment":  "RolePolicyAttachment",
	},
	"kms": {"aws_kms_alias": "Alias", "aws_kms_key": "Key"},
	"rds": {
		"aws_db_instance":                 "Instance",
		"aws_db_parameter_group":          "ParameterGroup",
		"aws_db_subnet_group":             "SubnetGroup",
		"aws_rds_cluster":                 "Cluster",
		"aws_rds_cluster_instance":        "ClusterInstance",
		"aws_rds_cluster_parameter_group": "ClusterParameterGroup",
	},
	"s3": {
		"aws_s3_bucket":                                      "Bucket",
		"aws_s3_bucket_lifecycle_configuration":              "BucketLifecycleConfiguration",
		"aws_s3_bucket_logging":                              "BucketLogging",
		"aws_s3_bucket_ownership_controls":                   "BucketOwnershipControls",
		"aws_s3_bucket_policy":                               "BucketPolicy",
		"aws_s3_bucket_public_access_block":                  "BucketPublicAccessBlock",
		"aws_s3_bucket_server_side_encryption_configuration": "BucketServerSideEncryptionConfiguration",
		"aws_s3_bucket_versioning":                           "BucketVersioning",
	},
	"vpc": {"aws_vpc_security_group_ingress_rule": "SecurityGroupIngressRule"},
}

// Names that the released plugin makes where the program gives none, besides those of properties called "name".
var named = map[string]map[string]*bridge.SchemaInfo{
	"aws_db_instance":     {"identifier": bridge.AutoName("identifier", 255, "")},
	"aws_rds_cluster":     {"cluster_identifier": bridge.AutoName("clusterIdentifier", 255, "-")},
	"aws_db_subnet_group": {"name": bridge.AutoNameTransform("name", 255, strings.ToLower)},
	"aws_s3_bucket":       {"bucket": bridge.AutoNameTransform("bucket", 63, strings.ToLower)},
}

// Provider returns the description; metadata is what the bridge wrote when the schema was generated, empty before.
func Provider(ctx context.Context, version string, metadata []byte) bridge.ProviderInfo {
	primary, secondary, err := shim.NewProvider(ctx)
	if err != nil {
		panic(err)
	}
	info := bridge.ProviderInfo{
		P:            tfbridge.MuxShimWithPF(ctx, shimv2.NewProvider(primary), secondary),
		Name:         "aws",
		Version:      version,
		Description:  "A part of Amazon Web Services.",
		License:      "Apache-2.0",
		Resources:    map[string]*bridge.ResourceInfo{},
		MetadataInfo: bridge.NewProviderMetadata(metadata),
	}
	for module, names := range resources {
		for from, to := range names {
			info.Resources[from] = &bridge.ResourceInfo{Tok: bridge.MakeResource("aws", module, to), Fields: named[from]}
		}
	}
	for name := range info.P.ResourcesMap().Range {
		if info.Resources[name] == nil {
			info.IgnoreMappings = append(info.IgnoreMappings, name)
		}
	}
	for name := range info.P.DataSourcesMap().Range {
		info.IgnoreMappings = append(info.IgnoreMappings, name)
	}
	info.SetAutonaming(255, "-")
	return info
}
