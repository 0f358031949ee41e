package oauth_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/keybearer/keybearer/oauth"
	"go.yaml.in/yaml/v4"
)

func TestResponseMapApply(t *testing.T) {
	var m oauth.ResponseMap
	err := yaml.Unmarshal([]byte(`
access_token: ["$.access_token", "$.data[0].access_token"]
expires_in: "$.data[0].expires_in"
scope: join('$.data[0].scope', ' ')
refresh_token: $.refresh_token
id_token: $.id_token
token_type:
`), &m)
	if err != nil {
		t.Fatal(err)
	}
	doc := decodeAnswer(t, `{"data": [{"access_token": "t", "expires_in": 3600, "scope": ["a", "b"]}], "id_token": null}`)
	want := map[string]any{"access_token": "t", "expires_in": json.Number("3600"), "scope": "a b", "id_token": nil}
	if diff := cmp.Diff(want, m.Apply(doc)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := oauth.ResponseMap(nil).Apply(doc); got == nil || len(got) != 0 {
		t.Errorf("no map gave %v, want an empty one", got)
	}
}

func TestExprRoundTripsAsItWasWritten(t *testing.T) {
	type file struct {
		E oauth.Expr `yaml:"e,omitempty" json:"e,omitzero"`
	}
	for _, c := range []struct{ name, yaml, json, text string }{
		{"path", "e: $.data.access_token\n", `{"e":"$.data.access_token"}`, "$.data.access_token"},
		{"join", "e: join('$.scope', ' ')\n", `{"e":"join('$.scope', ' ')"}`, "join('$.scope', ' ')"},
		{"list", "e:\n    - $.a\n    - b\n", `{"e":["$.a","b"]}`, `["$.a","b"]`},
		{"none", "{}\n", `{}`, ""},
	} {
		var fromYAML, fromJSON file
		if err := yaml.Unmarshal([]byte(c.yaml), &fromYAML); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if err := json.Unmarshal([]byte(c.json), &fromJSON); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if diff := cmp.Diff(fromYAML, fromJSON); diff != "" {
			t.Errorf("%s: YAML and JSON differ:\n%s", c.name, diff)
		}
		if got := fromYAML.E.String(); got != c.text {
			t.Errorf("%s: String() = %s, want %s", c.name, got, c.text)
		}
		if got, want := fromYAML.E.IsZero(), c.name == "none"; got != want {
			t.Errorf("%s: IsZero() = %v", c.name, got)
		}
		outYAML, err := yaml.Marshal(fromYAML)
		if err != nil || string(outYAML) != c.yaml {
			t.Errorf("%s: YAML came out as %q (%v), want %q", c.name, outYAML, err, c.yaml)
		}
		outJSON, err := json.Marshal(fromJSON)
		if err != nil || string(outJSON) != c.json {
			t.Errorf("%s: JSON came out as %s (%v), want %s", c.name, outJSON, err, c.json)
		}
	}
}

func TestExprOfOneEntryIsWrittenPlain(t *testing.T) {
	list, err := oauth.ParseExprList("$.a")
	if err != nil {
		t.Fatal(err)
	}
	if !list.Equal(parseExpr(t, "$.a")) || list.Equal(parseExpr(t, "$.b")) || list.Equal(oauth.Expr{}) {
		t.Error("a list of one must equal its expression and nothing else")
	}
	if data, err := json.Marshal(list); string(data) != `"$.a"` || err != nil {
		t.Errorf("got %s, %v", data, err)
	}
}

func TestNullStandsForNoExpression(t *testing.T) {
	for name, unmarshal := range map[string]func(*oauth.ResponseMap) error{
		"YAML": func(m *oauth.ResponseMap) error { return yaml.Unmarshal([]byte("scope: null\nid_token: ~\n"), m) },
		"JSON": func(m *oauth.ResponseMap) error { return json.Unmarshal([]byte(`{"scope":null,"id_token":null}`), m) },
	} {
		var m oauth.ResponseMap
		if err := unmarshal(&m); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(m) != 2 || !m["scope"].IsZero() || !m["id_token"].IsZero() {
			t.Errorf("%s: got %v, want two keys without expressions", name, m)
		}
		if got := m.Apply(map[string]any{"scope": "a"}); len(got) != 0 {
			t.Errorf("%s: found %v", name, got)
		}
		data, err := json.Marshal(m)
		if string(data) != `{"id_token":null,"scope":null}` || err != nil {
			t.Errorf("%s: written as %s, %v", name, data, err)
		}
	}
}

func TestExprIsReadFromTextOnly(t *testing.T) {
	for in, want := range map[string]string{
		"5":             "put 5 in quotes",
		"true":          "put true in quotes",
		"{a: b}":        "an expression is a string or a list of strings",
		"[]":            "the list of expressions is empty",
		"[$.a, [$.b]]":  "entry 2 of the list: an expression is a string or a list of strings",
		"[$.a, 5]":      "entry 2 of the list: an expression is a string: put 5 in quotes",
		"[$.a, $.b.]":   "entry 2 of the list: expression \"$.b.\": byte 5",
		"'$.a['":        "byte 5: found the end",
		"''":            "found nothing",
		"[$.a, null]":   "entry 2 of the list: an expression is a string: put null in quotes",
		"join(x, ' ')":  "byte 6: found 'x'",
		"data.token":    "byte 5: found '.'",
		"${env:SECRET}": "byte 2: found '{'",
	} {
		var e oauth.Expr
		if err := yaml.Unmarshal([]byte(in), &e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("YAML %s gave %v, want %s", in, err, want)
		}
		if !e.IsZero() {
			t.Errorf("YAML %s was refused and still set", in)
		}
	}
	for in, want := range map[string]string{
		`5`:             "an expression is a string or a list of strings",
		`{"a":"b"}`:     "an expression is a string or a list of strings",
		`[]`:            "the list of expressions is empty",
		`["$.a", 5]`:    "entry 2 of the list: an expression is a string",
		`["$.a", null]`: "entry 2 of the list: an expression is a string",
		`["$.a", "$["]`: `entry 2 of the list: expression "$["`,
		`"$.a["`:        "byte 5: found the end",
		`""`:            "found nothing",
	} {
		var e oauth.Expr
		if err := json.Unmarshal([]byte(in), &e); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("JSON %s gave %v, want %s", in, err, want)
		}
	}
}

func TestExprFollowsYAMLAliases(t *testing.T) {
	var m oauth.ResponseMap
	err := yaml.Unmarshal([]byte("access_token: &t $.token\nid_token: *t\nscope: [*t, $.scope]\n"), &m)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"access_token": "$.token", "id_token": "$.token", "scope": `["$.token","$.scope"]`}
	for key, text := range want {
		if got := m[key].String(); got != text {
			t.Errorf("%s: got %s, want %s", key, got, text)
		}
	}
}

func ExampleResponseMap() {
	scope, err := oauth.ParseExpr("join('$.data.scopes', ' ')")
	if err != nil {
		fmt.Println(err)
		return
	}
	var answer any
	_ = json.Unmarshal([]byte(`{"data": {"scopes": ["read", "write"]}}`), &answer)
	fmt.Println(oauth.ResponseMap{"scope": scope}.Apply(answer))
	// Output: map[scope:read write]
}
