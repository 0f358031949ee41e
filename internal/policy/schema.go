package policy

import (
	_ "embed"
	"slices"
)

//go:embed policy.schema.json
var schema []byte

// Schema is the JSON Schema (draft 2020-12) of policy.yaml, for editors. It accepts what [Load] accepts,
// as far as one rule at a time can tell.
func Schema() []byte { return slices.Clone(schema) }
