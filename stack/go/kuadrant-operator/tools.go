//go:build tools

// Package operator pins kuadrant-operator and its plan-policy extension.
package operator

import (
	_ "github.com/kuadrant/kuadrant-operator/cmd"
	_ "github.com/kuadrant/kuadrant-operator/cmd/extensions/plan-policy"
)
