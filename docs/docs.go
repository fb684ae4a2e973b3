// Package docs holds what is generated from the declarations in pkg/config, for the commands that print it.
package docs

import _ "embed"

// Schema is the JSON Schema (draft 7) of a configuration file.
//
//go:embed schema.json
var Schema []byte
