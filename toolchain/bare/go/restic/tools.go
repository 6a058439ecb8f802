//go:build tools

// Package tools keeps the module of the command that is built as it is in go.mod.
package tools

import (
	_ "github.com/restic/restic/cmd/restic"
)
