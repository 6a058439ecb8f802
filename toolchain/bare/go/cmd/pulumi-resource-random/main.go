// Command pulumi-resource-random is the random provider. schema.json and bridge-metadata.json are written here by
// pulumi-tfgen-random when it is built.
package main

import (
	"context"
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"mlflow.local/toolchain/random"
)

var (
	//go:embed schema.json
	schema []byte
	//go:embed bridge-metadata.json
	metadata []byte
	version  string // set by the linker
)

func main() {
	info := random.Provider(version, metadata)
	tfbridge.Main(context.Background(), "random", info, tfbridge.ProviderMetadata{PackageSchema: schema})
}
