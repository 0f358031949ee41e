package config_test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

const (
	schemaID  = "https://raw.githubusercontent.com/keybearer/keybearer/main/docs/engine.schema.json"
	reference = `\$\{(env|file):`
	networks  = `^[0-9A-Fa-f.:]+/[0-9]+$`
	textOnly  = "text" // marks, inside the generator, a text that no number or boolean can stand for
	durations = `^([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`
)

func generate(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		Mapper:                     mapped,
	}
	const here = "github.com/keybearer/keybearer/internal/config"
	for _, dir := range []string{".", "../../oauth"} {
		if err := r.AddGoComments(here, dir); err != nil {
			t.Fatal(err)
		}
	}
	text, err := json.Marshal(r.Reflect(&config.Config{}))
	if err != nil {
		t.Fatal(err)
	}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	defs := root["$defs"].(map[string]any)
	finish(root, reflect.TypeFor[config.Config](), defs)
	for _, typ := range []reflect.Type{
		reflect.TypeFor[config.API](), reflect.TypeFor[config.Auth](), reflect.TypeFor[config.Storage](),
		reflect.TypeFor[config.Postgres](), reflect.TypeFor[config.Director](), reflect.TypeFor[config.Worker](), reflect.TypeFor[oauth.Definition](),
	} {
		addOlder(defs[typ.Name()].(map[string]any), typ, defs)
	}
	for _, def := range defs {
		finish(def.(map[string]any), nil, defs)
	}
	defs["RootKey"].(map[string]any)["oneOf"] = []any{
		map[string]any{"required": []any{"value"}}, map[string]any{"required": []any{"file"}}, map[string]any{"required": []any{"command"}},
	}
	root["$id"] = schemaID
	root["title"] = "Keybearer engine configuration"
	root["patternProperties"] = map[string]any{"^x-": map[string]any{"description": "Anything, for YAML anchors."}}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mapped gives the types that are written as one text.
func mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[secret.String]():
		return &jsonschema.Schema{Type: "string"}
	case reflect.TypeFor[oauth.Expr]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
			{Type: "string"},
			{Type: "array", Items: &jsonschema.Schema{Type: "string"}, MinItems: new(uint64(1)), MaxItems: new(uint64(16))},
		}}
	case reflect.TypeFor[netip.Prefix]():
		return &jsonschema.Schema{Type: "string", Format: textOnly, Pattern: networks}
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[oauth.Duration]():
		return &jsonschema.Schema{Type: "string", Format: textOnly, Pattern: durations}
	}
	return nil
}

// addOlder adds the older spellings as deprecated properties, and the keys that have no effect.
func addOlder(def map[string]any, typ reflect.Type, defs map[string]any) {
	d := config.DialectOf(typ)
	properties := def["properties"].(map[string]any)
	for older, today := range d.Renamed() {
		properties[older] = deprecated(properties[today], "Older spelling of "+today+".")
	}
	for older, today := range d.Nested() {
		outer, inner, _ := strings.Cut(today, ".")
		ref := properties[outer].(map[string]any)["$ref"].(string)
		box := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		properties[older] = deprecated(box["properties"].(map[string]any)[inner], "Older spelling of "+today+".")
	}
	if d.Lifted() != "" {
		properties[d.Lifted()] = map[string]any{
			"type": "object", "deprecated": true, "additionalProperties": false,
			"description": "Older form; write these keys one level higher.",
			"properties":  copied(properties),
		}
	}
	for name, why := range d.Ignored() {
		properties[name] = map[string]any{"description": "Accepted: " + why + ".", "deprecated": true}
	}
}

func deprecated(property any, why string) map[string]any {
	out := copied(property.(map[string]any))
	out["deprecated"], out["description"] = true, why
	return out
}

func copied(m map[string]any) map[string]any {
	text, _ := json.Marshal(m)
	var out map[string]any
	_ = json.Unmarshal(text, &out)
	return out
}

// finish makes a schema of Go types one of YAML files: expansions may stand for any single value, a
// key with nothing behind it is an absent one.
func finish(object map[string]any, root reflect.Type, defs map[string]any) {
	if root != nil {
		addOlder(object, root, defs)
	}
	describe(object, "")
	properties, _ := object["properties"].(map[string]any)
	required := map[string]bool{}
	for _, name := range list(object["required"]) {
		required[name.(string)] = true
	}
	for name, property := range properties {
		p := property.(map[string]any)
		describe(p, name)
		properties[name] = loosen(p, !required[name])
	}
}

func loosen(p map[string]any, nullable bool) map[string]any {
	kinds := func(names ...any) {
		if nullable {
			names = append(names, "null")
		}
		p["type"] = names
	}
	either := func(rest ...any) map[string]any {
		if nullable {
			rest = append(rest, map[string]any{"type": "null"})
		}
		p["anyOf"] = rest
		if len(rest) == 1 {
			return rest[0].(map[string]any)
		}
		return p
	}
	switch p["type"] {
	case nil:
		if any, ok := p["anyOf"].([]any); ok {
			return either(any...)
		}
		if ref, ok := p["$ref"]; ok {
			delete(p, "$ref")
			return either(map[string]any{"$ref": ref})
		}
	case "string":
		if enum, ok := p["enum"]; ok {
			delete(p, "enum")
			delete(p, "type")
			return either(map[string]any{"enum": enum}, map[string]any{"type": "string", "pattern": reference})
		}
		if p["format"] == "uri" {
			delete(p, "format")
			p["pattern"] = "^https?://"
		}
		if pattern, ok := p["pattern"].(string); ok {
			p["pattern"] = pattern + "|" + reference
		}
		if p["format"] == textOnly {
			delete(p, "format")
			kinds("string")
			break
		}
		kinds("string", "number", "boolean")
	case "integer":
		p["pattern"] = "^-?[0-9]+$|" + reference
		kinds("integer", "string")
	case "boolean":
		p["pattern"] = "^(true|True|TRUE|false|False|FALSE)$|" + reference
		kinds("boolean", "string")
	case "array":
		p["items"] = loosen(p["items"].(map[string]any), false)
		kinds("array")
	case "object":
		if p["additionalProperties"] != false {
			p["additionalProperties"] = loosen(p["additionalProperties"].(map[string]any), true)
		} else if properties, ok := p["properties"].(map[string]any); ok {
			for name, inner := range properties {
				describe(inner.(map[string]any), name)
				properties[name] = loosen(inner.(map[string]any), true)
			}
		}
		kinds("object")
	}
	return p
}

func list(value any) []any {
	out, _ := value.([]any)
	return out
}

// describe turns a Go comment into a description: the key instead of the field's name, one line.
func describe(p map[string]any, name string) {
	text, _ := p["description"].(string)
	if text == "" {
		return
	}
	text = strings.Join(strings.Fields(text), " ")
	text = regexp.MustCompile(`\[([A-Za-z.]+)\]`).ReplaceAllString(text, "$1")
	text = strings.ReplaceAll(text, "(Ours.)", "(An addition of Keybearer.)")
	if first, rest, ok := strings.Cut(text, " "); ok && name != "" && strings.EqualFold(first, strings.ReplaceAll(name, "_", "")) {
		text = name + " " + rest
	}
	p["description"] = text
}
