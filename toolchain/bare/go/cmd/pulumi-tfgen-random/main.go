// Command pulumi-tfgen-random writes the schema that the random provider serves.
package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/pf/tfgen"

	"mlflow.local/toolchain/random"
)

var version string // set by the linker

func main() { tfgen.Main("random", random.Provider(version, []byte("{}"))) }
