// Command pulumi-tfgen-gcp writes the schema that the Google provider serves.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfgen"

	"mlflow.local/toolchain/gcp/provider"
)

var version string // set by the linker

func main() { tfgen.Main("gcp", version, provider.Provider(version, []byte("{}"))) }
