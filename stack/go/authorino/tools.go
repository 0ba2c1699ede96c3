//go:build tools

// Package authorino pins Authorino, which checks keys at the gateway.
package authorino

import _ "github.com/kuadrant/authorino"
