// Package provider describes the Google provider to the bridge: which Terraform resource is which Pulumi resource. Only
// what a deployment uses is described; tokens and names are those of the released plugin.
package provider

import (
	"strings"

	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shimv2 "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim/sdk-v2"

	google "github.com/hashicorp/terraform-provider-google/google/provider"
)

var resources = map[string]map[string]string{
	"compute": {
		"google_compute_address":         "Address",
		"google_compute_forwarding_rule": "ForwardingRule",
	},
	"serviceaccount": {
		"google_service_account":            "Account",
		"google_service_account_iam_member": "IAMMember",
	},
	"sql": {
		"google_sql_database":          "Database",
		"google_sql_database_instance": "DatabaseInstance",
		"google_sql_user":              "User",
	},
	"storage": {
		"google_storage_bucket":            "Bucket",
		"google_storage_bucket_iam_member": "BucketIAMMember",
	},
}

// Names that the released plugin makes where the program gives none, besides those of properties called "name".
var named = map[string]map[string]*bridge.SchemaInfo{
	"google_service_account": {"account_id": bridge.AutoName("accountId", 30, "-")},
	"google_storage_bucket":  {"name": bridge.AutoNameTransform("name", 63, strings.ToLower)},
}

// Provider returns the description; metadata is what the bridge wrote when the schema was generated, empty before.
func Provider(version string, metadata []byte) bridge.ProviderInfo {
	upstream := google.Provider()
	upstream.DataSourcesMap = nil
	kept := map[string]*bridge.ResourceInfo{}
	for module, names := range resources {
		for from, to := range names {
			kept[from] = &bridge.ResourceInfo{Tok: bridge.MakeResource("gcp", module, to), Fields: named[from]}
		}
	}
	for name := range upstream.ResourcesMap {
		if kept[name] == nil {
			delete(upstream.ResourcesMap, name)
		}
	}
	info := bridge.ProviderInfo{
		P:            shimv2.NewProvider(upstream),
		Name:         "gcp",
		GitHubOrg:    "hashicorp",
		Version:      version,
		Description:  "A part of Google Cloud.",
		License:      "Apache-2.0",
		Resources:    kept,
		MetadataInfo: bridge.NewProviderMetadata(metadata),
	}
	info.SetAutonaming(255, "-")
	return info
}
