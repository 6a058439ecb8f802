// Package shim reaches the provider's constructor, which is internal to its module: a module whose path lies below
// that module's path may import it.
package shim

import (
	"github.com/hashicorp/terraform-plugin-framework/provider"

	internal "github.com/terraform-providers/terraform-provider-random/internal/provider"
)

// NewProvider returns the random provider.
func NewProvider() provider.Provider { return internal.New() }
