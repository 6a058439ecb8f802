// Command pulumi-resource-aws is the AWS provider in part. schema.json and bridge-metadata.json are written here by
// pulumi-tfgen-aws when it is built.
package main

import (
	"context"
	_ "embed"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfbridge"

	"mlflow.local/toolchain/aws/provider"
)

var (
	//go:embed schema.json
	schema []byte
	//go:embed bridge-metadata.json
	metadata []byte
	version  string // set by the linker
)

func main() {
	ctx := context.Background()
	tfbridge.MainWithMuxer(ctx, "aws", provider.Provider(ctx, version, metadata), schema)
}
