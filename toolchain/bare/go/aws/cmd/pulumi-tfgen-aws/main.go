// Command pulumi-tfgen-aws writes the schema that the AWS provider serves.
package main

import (
	"context"

	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"mlflow.local/toolchain/aws/provider"
)

var version string // set by the linker

func main() {
	tfgen.MainWithMuxer("aws", provider.Provider(context.Background(), version, []byte("{}")))
}
