package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/config"
)

var update = flag.Bool("update", false, "write the generated schema and the golden files")

// The schema is generated here, from the types that the loader obeys, so that the generator is no
// part of the engine.
func TestSchemaIsCurrent(t *testing.T) {
	got := generate(t)
	for _, path := range []string{"engine.schema.json", "../../docs/engine.schema.json"} {
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is stale (%v); run: go test ./internal/config -run TestSchemaIsCurrent -update", filepath.Base(path), err)
		}
	}
	if !*update && !bytes.Equal(config.Schema(), got) {
		t.Error("Schema() is not the generated schema")
	}
}

// What the loader takes the schema takes, too, and what is wrong in a single value both refuse.
func TestSchemaAndLoaderAgreeOnFiles(t *testing.T) {
	sch := compiled(t)
	for _, path := range samples(t) {
		name := filepath.Base(path)
		if !strings.HasPrefix(name, "ok-") && !strings.HasPrefix(name, "bad-value-") {
			continue // what is wrong there is beyond a schema
		}
		refused := sch.Validate(jsonValue(t, read(t, path)))
		switch {
		case strings.HasPrefix(name, "ok-") && refused != nil:
			t.Errorf("%s: the loader takes it and the schema does not: %v", name, refused)
		case strings.HasPrefix(name, "bad-value-") && refused == nil:
			t.Errorf("%s: the loader refuses it and the schema does not", name)
		}
	}
}

func TestSchemaAndLoaderAgreeOnValues(t *testing.T) {
	sch := compiled(t)
	provider := func(lines string) string {
		return "auth: {providers: [{id: a, enabled: false, " + lines + "}]}"
	}
	for _, c := range []struct {
		yaml string
		ok   bool
	}{
		{"api: {port: 80}", true},
		{"api: {port: '80'}", true},
		{"api: {port: '${env:PORT}'}", true},
		{"api: {port: 80.5}", false},
		{"api: {port: 70000}", false},
		{"api: {port: [80]}", false},
		{"api: {port: }", true},
		{"api: {development: True}", true},
		{"api: {development: 'true'}", true},
		{"api: {development: '${env: ON}'}", true},
		{"api: {development: yes}", false},
		{"api: {development: 1}", false},
		{"api: {host: ''}", false},
		{"api: {host: 127}", true},
		{"api: {read_timeout: 90s}", true},
		{"api: {read_timeout: 1m30s}", true},
		{"api: {read_timeout: 90}", false},
		{"api: {read_timeout: soon}", false},
		{"api: {http: {port: 80}}", true},
		{"api: {http: {porte: 80}}", false},
		{"api: {prot: 80}", false},
		{"api: []", false},
		{"api:", true},
		{"apii: {}", false},
		{"x-anything: [1]", true},
		{"llm: {models: []}", true},
		{"auth: {callback: shared}", true},
		{"auth: {callback: none}", false},
		{"auth: {callback: '${env:EMPTY}'}", true},
		{"auth: {providers: {}}", false},
		{"auth: {providers: [{}]}", false},
		{"auth: {providers: [null]}", false},
		{"auth: {next_uri_origins: [https://app.example.com]}", true},
		{"auth: {next_uri_origins: https://app.example.com}", false},
		{provider("provider_id: atlassian"), true},
		{provider("provider_id: null"), true},
		{provider("type: saml"), false},
		{provider("oauth2: {use_pkce: true}"), true},
		{provider("oauth2: {use_pkce: [true]}"), false},
		{provider("oauth2: {pkce: {code_challenge_method: plain}}"), false},
		{provider("oauth2: {refresh_token_request: {endpoint: https://a.example/t}}"), true},
		{provider("oauth2: {refresh_token_request: {endpiont: https://a.example/t}}"), false},
		{provider("oauth2: {token_request: {method: PUT}}"), false},
		{provider("oauth2: {token_request: {params: {max_age: 5, force: true, none: null}}}"), true},
		{provider("oauth2: {token_request: {params: {a: [b]}}}"), false},
		{provider("oauth2: {user_info_request: {triggers: {on_token_grant: true}}}"), true},
		{provider("oauth2: {user_info_request: {triggers: {on_grant: true}}}"), false},
		{provider("oauth2: {refresh: {skew: 5m}}"), true},
		{provider("oauth2: {refresh: {skew: 5}}"), false},
		{provider("oauth2: {refresh: {idle_expiry: 2160h, ahead: never, rate: 3, one_grant_per_account: true}}"), true},
		{provider("oauth2: {refresh: {ahead: sometimes}}"), false},
		{provider("oauth2: {refresh: {rate: 1001}}"), false},
		{provider("oauth2: {errors: [{class: user, advice: ask}]}"), true},
		{provider("oauth2: {errors: [{class: unknown, advice: ask}]}"), false},
		{provider("oauth2: {token_request: {response_map: {scope: [$.scope, $.scopes]}}}"), true},
		{provider("oauth2: {token_request: {response_map: {scope: {a: b}}}}"), false},
		{"auth: {providers: [{id: A}]}", false},
		{"security: {root_keys: [{id: k, value: '0123456789abcdef'}]}", true},
		{"security: {root_keys: [{id: k}]}", false},
		{"security: {root_keys: [{id: k, file: /run/secrets/root-key}]}", true},
		{"security: {root_keys: [{id: k, command: [kms, decrypt, '7']}]}", true},
		{"security: {root_keys: [{id: k, command: kms decrypt}]}", false},
		{"security: {root_keys: [{id: k, file: key, command: [kms]}]}", false},
		{"security: {root_keys: [{id: k, file: key, value: '0123456789abcdef'}]}", false},
		{"security: {allow_networks: [10.0.0.0/8, 'fd00::/8']}", true},
		{"security: {allow_networks: [10.0.0.0]}", false},
		{"storage: {in_memory: {}}", true},
		{"storage: {retention: {audit: 720h, dead_connections: 0s}}", true},
		{"storage: {retention: {audit: never}}", false},
		{"storage: {in_memory: }", true},
		{"storage: {in_memory: {size: 1}}", false},
		{"storage: {postgres: {host: db, sslmode: on}}", false},
		{"telemetry: {version: 2025-01-01}", true},
		{"telemetry: {logging: {level: info, encoding: json}}", true},
		{"telemetry: {logging: {level: loud}}", false},
	} {
		_, problems := config.Parse("engine.yaml", []byte(c.yaml), source(t))
		refused := sch.Validate(jsonValue(t, []byte(c.yaml)))
		if problems.Failed() == c.ok || (refused != nil) == c.ok {
			t.Errorf("%s: loader: %v; schema: %v; want ok: %v", c.yaml, problems.Err(), refused, c.ok)
		}
	}
}

func compiled(t *testing.T) *validator.Schema {
	t.Helper()
	doc, err := validator.UnmarshalJSON(bytes.NewReader(config.Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := validator.NewCompiler()
	if err := c.AddResource("engine.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	sch, err := c.Compile("engine.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return sch
}

// jsonValue is what a validator of JSON sees of a YAML text.
func jsonValue(t *testing.T, data []byte) any {
	t.Helper()
	doc := any(map[string]any{})
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	if doc == nil {
		doc = map[string]any{}
	}
	text, err := json.Marshal(stringKeys(doc))
	if err != nil {
		t.Fatal(err)
	}
	doc, err = validator.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func stringKeys(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for k, v := range value {
			value[k] = stringKeys(v)
		}
	case []any:
		for i, v := range value {
			value[i] = stringKeys(v)
		}
	case time.Time:
		return value.Format(time.DateOnly)
	}
	return value
}
