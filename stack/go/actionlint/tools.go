//go:build tools

// Package actionlint pins actionlint, which reads the workflow that makes releases.
package actionlint

import _ "github.com/rhysd/actionlint/cmd/actionlint"
