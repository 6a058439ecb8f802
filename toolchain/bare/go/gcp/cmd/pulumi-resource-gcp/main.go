// Command pulumi-resource-gcp is the Google provider, in part. schema.json and bridge-metadata.json are written here by
// pulumi-tfgen-gcp when it is built.
package main

import (
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"

	"mlflow.local/toolchain/gcp/provider"
)

var (
	//go:embed schema.json
	schema []byte
	//go:embed bridge-metadata.json
	metadata []byte
	version  string // set by the linker
)

func main() { tfbridge.Main("gcp", version, provider.Provider(version, metadata), schema) }
