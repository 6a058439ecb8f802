//go:build tools

// Package tools keeps the modules of commands that are built as they are in go.mod.
package tools

import (
	_ "github.com/charmbracelet/glamour"
	_ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
)
