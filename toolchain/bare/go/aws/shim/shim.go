// Package shim reaches the provider's constructors, which are internal to its module: a module whose path lies below
// that module's path may import them.
package shim

import (
	"context"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-sdk/v2/helper/schema"

	"github.com/hashicorp/terraform-provider-aws/internal"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/framework"
	"github.com/hashicorp/terraform-provider-aws/internal/provider/sdkv2"
)

// NewProvider returns the two halves of the provider; the second one is configured by the first.
func NewProvider(ctx context.Context) (*schema.Provider, provider.Provider, error) {
	internal.RegisterSmarterrFS()
	primary, err := sdkv2.NewProvider(ctx)
	if err != nil {
		return nil, nil, err
	}
	secondary, err := framework.NewProvider(ctx, primary)
	return primary, secondary, err
}
