package policy_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/keybearer/keybearer/internal/policy"
)

const schemaID = "https://raw.githubusercontent.com/keybearer/keybearer/main/docs/policy.schema.json"

// generate makes the schema of the types that the reader obeys.
func generate(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{FieldNameTag: "yaml", RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Anonymous: true}
	if err := r.AddGoComments("github.com/keybearer/keybearer/internal/policy", "."); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r.Reflect(&policy.File{}))
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	root["$id"], root["title"] = schemaID, "Keybearer policy"
	rule := root["$defs"].(map[string]any)["Rule"].(map[string]any)
	finish(root)
	finish(rule)
	entries(rule["properties"].(map[string]any))
	// What a rule has to say, and what does not go together.
	is := func(key string, value any) any {
		return object("required", []any{key}, "properties", object(key, object("const", value)))
	}
	has := func(names ...string) any {
		var any []any
		for _, name := range names {
			any = append(any, object("required", []string{name}))
		}
		return object("anyOf", any)
	}
	rule["anyOf"] = []any{object("required", []string{"verdict"}), object("required", []string{"rate"}), is("read_only", true)}
	rule["dependentRequired"] = object("burst", []string{"rate"})
	rule["allOf"] = []any{
		object("if", is("verdict", "refuse"), "then", object("not", object("anyOf", []any{is("read_only", true), object("required", []string{"rate"})}))),
		object("if", is("verdict", "tunnel"), "then", object("required", []string{"hosts"}, "not", has("connections", "methods", "paths", "read_only"))),
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func object(pairs ...any) map[string]any {
	out := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i].(string)] = pairs[i+1]
	}
	return out
}

// entries says what the lists of a rule are made of.
func entries(properties map[string]any) {
	for name, pattern := range map[string]string{
		"runs":        `^\S`,
		"connections": `^[a-z0-9_*-]+(/[A-Za-z0-9_.*-]+)?$`,
		"hosts":       `^(\*|(\*\.)?[^*/\s:]+|\[?[0-9A-Fa-f:.]+\]?)(:[0-9]+)?$`,
		"methods":     `^[A-Z][A-Z0-9_-]*$`,
		"paths":       `^/[^?#{}\[\]^|\\;]*$`,
	} {
		p := properties[name].(map[string]any)
		p["minItems"], p["uniqueItems"] = 1, true
		kinds := []string{"string"}
		if name == "runs" || name == "connections" { // names may look like a number
			kinds = []string{"string", "number", "boolean"}
		}
		p["items"] = object("type", kinds, "pattern", pattern, "minLength", 1, "maxLength", 2000)
	}
}

// finish makes descriptions of Go comments, and lets a text be written like a number, as YAML does.
func finish(of map[string]any) {
	describe(of, "")
	for name, property := range of["properties"].(map[string]any) {
		p := property.(map[string]any)
		describe(p, name)
		if name == "name" {
			p["type"] = []string{"string", "number", "boolean"}
		}
	}
}

// describe names the key instead of the field, on one line.
func describe(p map[string]any, name string) {
	text, _ := p["description"].(string)
	text = strings.Join(strings.Fields(text), " ")
	text = regexp.MustCompile(`\[([A-Za-z.]+)\]`).ReplaceAllString(text, "$1")
	if first, rest, ok := strings.Cut(text, " "); ok && name != "" && strings.EqualFold(first, strings.Trim(strings.ReplaceAll(name, "_", ""), "$")) {
		text = name + " " + rest
	}
	p["description"] = text
}
