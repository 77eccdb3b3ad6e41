//go:build tools

// Package consul only names the program, so that go.mod and go.sum pin everything it is built from.
package consul

import _ "github.com/hashicorp/consul"
