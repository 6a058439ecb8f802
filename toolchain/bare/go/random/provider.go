// Package random describes the random provider to the bridge: which Terraform resource is which Pulumi resource.
package random

import (
	"context"
	"strings"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"
	bridge "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/terraform-providers/terraform-provider-random/shim"
)

// Provider returns the description; metadata is what the bridge wrote when the schema was generated, empty before.
func Provider(version string, metadata []byte) bridge.ProviderInfo {
	resources := map[string]*bridge.ResourceInfo{}
	for _, name := range []string{"id", "password", "pet", "shuffle", "string", "integer", "uuid", "bytes"} {
		token := "Random" + strings.ToUpper(name[:1]) + name[1:]
		resources["random_"+name] = &bridge.ResourceInfo{Tok: bridge.MakeResource("random", "index", token)}
	}
	// The Terraform resource has no id, and its value must not be one: ids are plain text in the state.
	resources["random_bytes"].ComputeID = func(context.Context, resource.PropertyMap) (resource.ID, error) {
		return "none", nil
	}
	return bridge.ProviderInfo{
		P:              tfbridge.ShimProvider(shim.NewProvider()),
		Name:           "random",
		Version:        version,
		Description:    "Randomness that stays the same once made.",
		License:        "Apache-2.0",
		Resources:      resources,
		IgnoreMappings: []string{"random_uuid4", "random_uuid7"},
		MetadataInfo:   bridge.NewProviderMetadata(metadata),
	}
}
