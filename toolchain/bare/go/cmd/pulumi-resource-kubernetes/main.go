// Command pulumi-resource-kubernetes is the Kubernetes provider. schema.json and terraform-mapping.json are copied here
// from the provider's own command when it is built.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/provider"
)

var (
	//go:embed schema.json
	schema []byte
	//go:embed terraform-mapping.json
	mapping []byte
	version string // set by the linker
)

func main() { provider.Serve("kubernetes", version, schema, mapping) }
