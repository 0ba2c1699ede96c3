//go:build tools

// Package helm pins Helm, which renders and installs the chart.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
