package config

import (
	_ "embed"
	"slices"
)

//go:embed engine.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of engine.yaml, for editors. It accepts what [Load]
// accepts, older spellings included, as far as one value at a time can tell.
func Schema() []byte { return slices.Clone(schema) }
