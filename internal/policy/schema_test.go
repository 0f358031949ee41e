package policy_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/policy"
)

var update = flag.Bool("update", false, "write the generated schema and the golden files")

// The schema is generated here, so that the generator is no part of the program.
func TestSchemaIsCurrent(t *testing.T) {
	got := generate(t)
	for _, path := range []string{"policy.schema.json", "../../docs/policy.schema.json"} {
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v); run: go test ./internal/policy -run TestSchemaIsCurrent -update", filepath.Base(path), err)
		}
	}
	if !*update && !bytes.Equal(policy.Schema(), got) {
		t.Error("Schema() is not the generated schema")
	}
}

func TestSchemaAndReaderAgree(t *testing.T) {
	sch := compiled(t)
	for _, c := range []struct {
		yaml string
		ok   bool
	}{
		{"{version: 1, rules: []}", true},
		{"{version: 1, rules: [], $schema: x}", true},
		{"{version: 1}", false},
		{"{version: 2, rules: []}", false},
		{"{version: one, rules: []}", false},
		{"{rules: []}", false},
		{"{version: 1, rules: }", false},
		{"{version: 1, rules: {}}", false},
		{"{version: 1, rules: [], unmatched_hosts: tunnel}", true},
		{"{version: 1, rules: [], unmatched_hosts: refuse}", true},
		{"{version: 1, rules: [], unmatched_hosts: allow}", false},
		{"{version: 1, rules: [], unmatched: refuse}", false},
		{"[]", false},
		{"{version: 1, rules: [null]}", false},
		{"{version: 1, rules: [{}]}", false},
		{rule("verdict: allow"), true},
		{rule("verdict: Allow"), false},
		{rule("verdict: deny"), false},
		{rule("read_only: true"), true},
		{rule("read_only: false"), false},
		{rule("read_only: 'yes'"), false},
		{rule("read_only: 'true'"), false},
		{rule("read_only: True"), true},
		{rule("verdict: allow, runs: [7, true]"), true},
		{rule("rate: 60/m"), true},
		{rule("rate: 60/m, burst: 5"), true},
		{rule("rate: 60/m, burst: 0"), false},
		{rule("rate: 60/m, verdict: refuse"), false},
		{rule("rate: 60/m, verdict: ask"), true},
		{rule("rate: 60 per minute"), false},
		{rule("rate: 0/m"), false},
		{rule("rate: 60"), false},
		{rule("burst: 5, verdict: allow"), false},
		{rule("read_only: true, verdict: refuse"), false},
		{rule("read_only: true, verdict: ask"), true},
		{rule("verdict: tunnel"), false},
		{rule("verdict: tunnel, hosts: [packages.example.org]"), true},
		{rule("verdict: tunnel, hosts: [packages.example.org], rate: 5/s"), true},
		{rule("verdict: tunnel, hosts: [packages.example.org], paths: [/a]"), false},
		{rule("verdict: tunnel, hosts: [packages.example.org], methods: [GET]"), false},
		{rule("verdict: tunnel, hosts: [packages.example.org], connections: [github]"), false},
		{rule("verdict: allow, name: ''"), false},
		{rule("verdict: allow, name: 7"), true},
		{rule("verdict: allow, runs: []"), false},
		{rule("verdict: allow, runs: review"), false},
		{rule("verdict: allow, runs: ['review-*', 'a b']"), true},
		{rule("verdict: allow, runs: [a, a]"), false},
		{rule("verdict: allow, runs: ['']"), false},
		{rule("verdict: allow, runs: "), false},
		{rule("verdict: allow, connections: [github, atlassian/work, '*/bot', 'my-*']"), true},
		{rule("verdict: allow, connections: [GitHub]"), false},
		{rule("verdict: allow, connections: [github/]"), false},
		{rule("verdict: allow, connections: [github/a/b]"), false},
		{rule("verdict: allow, hosts: ['*', '*.example.com', 'example.com:8443', '10.0.0.1', '::1', '[::1]:80', '*:443']"), true},
		{rule("verdict: allow, hosts: ['https://example.com']"), false},
		{rule("verdict: allow, hosts: [example.com/path]"), false},
		{rule("verdict: allow, hosts: ['api.*.com']"), false},
		{rule("verdict: allow, hosts: ['*example.com']"), false},
		{rule("verdict: allow, methods: [GET, PROPFIND, PURGE]"), true},
		{rule("verdict: allow, methods: [get]"), false},
		{rule("verdict: allow, methods: ['*']"), false},
		{rule("verdict: allow, paths: ['/', '/v1/**', '/a/*/b', '/x-*', '/**/y', '/wiki/My%20Page']"), true},
		{rule("verdict: allow, paths: [v1]"), false},
		{rule("verdict: allow, paths: ['/a?b']"), false},
		{rule("verdict: allow, paths: ['/users/{id}']"), false},
		{rule("verdict: allow, paths: ['^/v1']"), false},
		{rule("verdict: allow, paths: ['/v[12]']"), false},
		{rule("verdict: allow, paths: ['/a;b']"), false},
	} {
		_, problems := policy.Parse("policy.yaml", []byte(c.yaml))
		refused := sch.Validate(jsonValue(t, []byte(c.yaml)))
		if problems.Failed() == c.ok || (refused != nil) == c.ok {
			t.Errorf("%s: reader: %v; schema: %v; want ok: %v", c.yaml, problems.Err(), refused, c.ok)
		}
	}
}

func rule(lines string) string { return "{version: 1, rules: [{" + lines + "}]}" }

func compiled(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(policy.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("policy.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	sch, err := c.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return sch
}

// jsonValue is what a validator of JSON sees of a YAML text.
func jsonValue(t *testing.T, data []byte) any {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	doc, err = validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
