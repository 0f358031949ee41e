package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/jsonpath"
	"github.com/keybearer/keybearer/oauth"
)

func parseExpr(t testing.TB, text string) oauth.Expr {
	t.Helper()
	expr, err := oauth.ParseExpr(text)
	if err != nil {
		t.Fatalf("ParseExpr: %v", err)
	}
	return expr
}

func decodeAnswer(t testing.TB, text string) any {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// unsignedJWT carries the claims and a signature that fits nothing.
func unsignedJWT(claims string) string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + ".bm90LWEtc2lnbmF0dXJl"
}

type absent struct{}

func eval(e oauth.Expr, doc any) any {
	value, ok := e.Eval(doc)
	if !ok {
		return absent{}
	}
	return value
}

func TestExprFindsFields(t *testing.T) {
	doc := decodeAnswer(t, `{
		"access_token": "plain", "expires_in": 3600, "null": null, "empty": "", "no-scopes": [],
		"scope": ["read", "write"], "scopes": "a b", "größe": 1, "other key": 2,
		"mixed": ["a", 1, 1.50, 12345678901234567890, true, null, ["b"], {"c": 1}, "d"],
		"data": {"access_token": "nested", "list": [{"b": "first"}, {"b": "last"}]},
		"jwt": "`+unsignedJWT(`{"scp": ["x", "y"], "org": {"id": 7}, "inner": "`+unsignedJWT(`{"deep": "yes"}`)+`"}`)+`"
	}`)
	for expr, want := range map[string]any{
		"$.data.access_token":    "nested",
		"$['access_token']":      "plain",
		"access_token":           "plain",
		" access_token\n":        "plain",
		"größe":                  json.Number("1"),
		"no-scopes":              []any{},
		"$['other key']":         json.Number("2"),
		"$.data.list[0].b":       "first",
		"$.data.list[-1].b":      "last",
		"$.data.list[*].b":       []any{"first", "last"},
		"$.data.list[:1].b":      []any{"first"},
		"$..b":                   []any{"first", "last"},
		"$.data.list[5].b":       absent{},
		"$..nothing":             absent{},
		"$.data.missing.further": absent{},
		"missing":                absent{},
		"$.null":                 nil,
		"empty":                  "",
		"$.expires_in":           json.Number("3600"),

		"join('$.scope', ' ')":                         "read write",
		`join("$.scope", ",")`:                         "read,write",
		"join('scope', '')":                            "readwrite",
		`join( '$.scope' ,"\t" )`:                      "read\twrite",
		`join('$[\'scope\']', '\'')`:                   "read'write",
		"join('$.data.list[*].b', '+')":                "first+last",
		"join('$.scopes', ',')":                        "a b",
		"join('$.expires_in', ',')":                    "3600",
		"join('no-scopes', ' ')":                       "",
		"join('$.null', ' ')":                          absent{},
		"join('$.data', ' ')":                          absent{},
		"join('$.missing', ' ')":                       absent{},
		"join('$.mixed', ' ')":                         "a 1 1.50 12345678901234567890 true d",
		"join(join('$.scope', '-'), ' ')":              "read-write",
		"jwt_decode('$.jwt', '$.org.id')":              json.Number("7"),
		"jwt_decode('jwt', 'scp')":                     []any{"x", "y"},
		"jwt_decode('$.jwt', '$')":                     decodeAnswer(t, `{"scp": ["x", "y"], "org": {"id": 7}, "inner": "`+unsignedJWT(`{"deep": "yes"}`)+`"}`),
		"jwt_decode('$.jwt', '$.missing')":             absent{},
		"jwt_decode('$.access_token', '$.scp')":        absent{},
		"jwt_decode('$.expires_in', '$.scp')":          absent{},
		"jwt_decode('$.missing', '$.scp')":             absent{},
		"join(jwt_decode('$.jwt','$.scp'), ' ')":       "x y",
		"join(jwt_decode('$.missing','$.scp'), ' ')":   absent{},
		"jwt_decode(jwt_decode('jwt','inner'),'deep')": "yes",
	} {
		if diff := cmp.Diff(want, eval(parseExpr(t, expr), doc)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", expr, diff)
		}
	}
}

func TestJoinRendersFloatsWithoutExponent(t *testing.T) {
	doc := map[string]any{"n": []any{1e6, 0.5, 1e21, -3.0}}
	if got, want := eval(parseExpr(t, "join('n', ' ')"), doc), "1000000 0.5 1000000000000000000000 -3"; got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestJWTDecodeReadsOnlyWholeTokens(t *testing.T) {
	expr := parseExpr(t, "jwt_decode('t', 'c')")
	part := base64.RawURLEncoding.EncodeToString
	payload := part([]byte(`{"c":1}`))
	for name, c := range map[string]struct {
		token string
		want  any
	}{
		"signed":            {"e30." + payload + ".c2ln", json.Number("1")},
		"unsecured":         {"e30." + payload + ".", json.Number("1")},
		"padded":            {"e30." + base64.URLEncoding.EncodeToString([]byte(`{"c":1}`)) + ".c2ln", json.Number("1")},
		"large number":      {"e30." + part([]byte(`{"c":12345678901234567890}`)) + ".c2ln", json.Number("12345678901234567890")},
		"longest":           {"e30." + payload + "." + strings.Repeat("x", 1<<18-len(payload)-5), json.Number("1")},
		"too long":          {"e30." + payload + "." + strings.Repeat("x", 1<<18-len(payload)-4), absent{}},
		"empty":             {"", absent{}},
		"opaque":            {"opaque", absent{}},
		"two parts":         {"e30." + payload, absent{}},
		"encrypted":         {"e30." + payload + ".a.b.c", absent{}},
		"not base64":        {"e30.%%%.c2ln", absent{}},
		"not JSON":          {"e30." + part([]byte(`{"c":`)) + ".c2ln", absent{}},
		"not an object":     {"e30." + part([]byte(`["c"]`)) + ".c2ln", absent{}},
		"more than one":     {"e30." + part([]byte(`{"c":1}{"c":2}`)) + ".c2ln", absent{}},
		"garbage behind it": {"e30." + part([]byte(`{"c":1}x`)) + ".c2ln", absent{}},
	} {
		got := eval(expr, map[string]any{"t": c.token})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestJoinIsBounded(t *testing.T) {
	const most = 1 << 20
	expr := parseExpr(t, "join('list', '--')")
	long := strings.Repeat("x", most-3)
	if got := eval(expr, map[string]any{"list": []any{long, "y"}}); got != long+"--y" {
		t.Errorf("got %.20v, want the joined text of %d bytes", got, most)
	}
	if got := eval(expr, map[string]any{"list": []any{long, "yy"}}); got != (absent{}) {
		t.Errorf("got %.20v of a text beyond the bound, want nothing", got)
	}
}

func TestFirstFallBackThatFindsSomethingCounts(t *testing.T) {
	expr, err := oauth.ParseExprList("$.access_token", "$.data[0].access_token", "join('$.parts', '')")
	if err != nil {
		t.Fatal(err)
	}
	for doc, want := range map[string]any{
		`{"access_token": "a", "data": [{"access_token": "b"}]}`:  "a",
		`{"access_token": null, "data": [{"access_token": "b"}]}`: "b",
		`{"access_token": "", "data": [{"access_token": "b"}]}`:   "b",
		`{"data": [], "parts": ["c", "d"]}`:                       "cd",
		`{"access_token": 0, "parts": ["c"]}`:                     json.Number("0"),
		`{"access_token": false, "parts": ["c"]}`:                 false,
		`{"access_token": "", "parts": []}`:                       absent{},
		`{}`:                                                      absent{},
		`"text"`:                                                  absent{},
	} {
		if diff := cmp.Diff(want, eval(expr, decodeAnswer(t, doc))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", doc, diff)
		}
	}
}

func TestExprErrors(t *testing.T) {
	nested := strings.Repeat("join(", 9) + "'a'" + strings.Repeat(", ' ')", 9)
	for expr, want := range map[string]string{
		``:                               `byte 1: found nothing, allowed here: a path ($.data.access_token), a key (access_token), join('$.scope', ' ') or jwt_decode('$.token', '$.claim')`,
		`  `:                             `byte 1: found nothing`,
		`data.access_token`:              `byte 5: found '.', allowed here: only letters, digits, "_" and "-" in a key; a path begins with "$"`,
		`other key`:                      `byte 6: found ' ', allowed here: only letters`,
		`@.a`:                            `byte 1: found '@'`,
		"a\xff":                          `byte 2: found the byte 0xff, which is not UTF-8`,
		`'$.a'`:                          `byte 1: found a quote`,
		`$access_token`:                  `byte 2: found 'a', allowed here: a segment`,
		`$.a[?@.b]`:                      `byte 5: found the filter "?", allowed here: a quoted name, an index, a slice or "*"; filters are not supported`,
		`$.scope | $.scopes`:             `byte 9: found '|'`,
		`split('$.a', ' ')`:              `byte 1: found the function "split", allowed here: join or jwt_decode`,
		`Join('$.a', ' ')`:               `byte 1: found the function "Join"`,
		`('$.a')`:                        `byte 1: found the function ""`,
		`join`:                           ``,
		`join(`:                          `byte 6: found the end, allowed here: a path in quotes ('$.scope'), join(...) or jwt_decode(...)`,
		`join()`:                         `byte 6: found ')'`,
		`join($.scope, ' ')`:             `byte 6: found '$', allowed here: a path in quotes`,
		`join(scope, ' ')`:               `byte 6: found 's', allowed here: a path in quotes`,
		`join('$.scope')`:                `byte 15: found ')', allowed here: ","`,
		`join('$.scope', )`:              `byte 17: found ')', allowed here: a string in single or double quotes`,
		`join('$.scope', ' '`:            `byte 20: found the end, allowed here: ")"`,
		`join('$.scope', ' ', ' ')`:      `byte 20: found ',', allowed here: ")"`,
		`join('$.scope', ' ') x`:         `byte 22: found 'x', allowed here: the end`,
		`join('$.scope', ' )`:            `byte 20: found the end, allowed here: ' to close the string`,
		`join('$.scope[', ' ')`:          `byte 15: found the end, allowed here: a quoted name`,
		`join('$.no-scopes', ' ')`:       `byte 11: found '-', allowed here: a segment`,
		`join('a.b', ' ')`:               `byte 8: found '.', allowed here: only letters`,
		`join('', ' ')`:                  `byte 7: found`,
		`join('$[\'a\'', ' ')`:           `expression "$['a'": byte 6: found the end`,
		`join('$.a', jwt_decode())`:      `byte 13: found 'j', allowed here: a string in single or double quotes`,
		`jwt_decode('$.t')`:              `byte 17: found ')', allowed here: ","`,
		`jwt_decode('$.t', '$[?@.a]')`:   `byte 22: found the filter`,
		`jwt_decode('$.t', join())`:      `byte 19: found 'j', allowed here: a string`,
		`join(foo('$.a'), ' ')`:          `byte 6: found the function "foo"`,
		nested:                           `byte 41: found call 9 within calls, allowed here: 8 at most`,
		strings.Repeat("a", 4097):        `byte 4097: found an expression of 4097 bytes`,
		`$.` + strings.Repeat("a", 4095): `byte 4097: found an expression of 4097 bytes`,
		`join('$.a', '` + strings.Repeat("-", 65) + `')`: `byte 13: found a delimiter of 65 bytes, allowed here: 64 bytes at most`,
		`join('$.a', '` + strings.Repeat("-", 64) + `')`: ``,
	} {
		_, err := oauth.ParseExpr(expr)
		if want == "" {
			if err != nil {
				t.Errorf("ParseExpr(%q): %v", expr, err)
			}
			continue
		}
		var syntax *jsonpath.SyntaxError
		if !errors.As(err, &syntax) {
			t.Errorf("ParseExpr(%q) gave %v, want a *jsonpath.SyntaxError", expr, err)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("ParseExpr(%q)\n got %v\nwant %s", expr, err, want)
		}
	}
}

func TestExprListErrors(t *testing.T) {
	for _, c := range []struct {
		list []string
		want string
	}{
		{nil, "the list of expressions is empty"},
		{make([]string, 17), "the list has 17 expressions, allowed are 16"},
		{[]string{"$.a", "$.b["}, `entry 2 of the list: expression "$.b[": byte 5: found the end`},
		{[]string{""}, "entry 1 of the list: "},
	} {
		if _, err := oauth.ParseExprList(c.list...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseExprList(%q) gave %v, want %s", c.list, err, c.want)
		}
	}
}

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

// Whatever is parsed evaluates over any JSON without panic, stays within its bounds, and reads back
// from its own text.
func FuzzExpr(f *testing.F) {
	answer := `{"access_token":"t","expires_in":1e3,"scope":["a",1,null,{}],"data":[{"access_token":"u"}],"jwt":"` + unsignedJWT(`{"scp":["x"]}`) + `"}`
	for _, expr := range []string{
		"", "access_token", "$.data[0].access_token", "$['a']", "join('$.scope', ' ')", `join("scope","\u00e4")`,
		"jwt_decode('$.jwt', '$.scp')", "join(jwt_decode('jwt','$.scp'),',')", `join('$[\'scope\']', ' ')`,
		"join(join(join('$..*', ' '), ' '), ' ')", "jwt_decode(jwt_decode('jwt','a'),'b')", "join('", "$[?@.a]",
	} {
		f.Add(expr, []byte(answer))
		f.Add(expr, []byte(`"text"`))
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		expr, err := oauth.ParseExpr(text)
		if err != nil {
			var syntax *jsonpath.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(syntax.Expr) {
				t.Errorf("ParseExpr(%q) gave the error %#v", text, err)
			}
			return
		}
		again, err := oauth.ParseExpr(expr.String())
		if err != nil || !again.Equal(expr) {
			t.Errorf("ParseExpr(%q) does not read back: %q, %v", text, again, err)
		}
		var read oauth.Expr
		if out, err := json.Marshal(expr); err != nil || json.Unmarshal(out, &read) != nil || !read.Equal(expr) {
			t.Errorf("%q does not survive JSON: %s, %v", text, out, err)
		}
		var doc any
		if json.Unmarshal(data, &doc) != nil {
			return
		}
		value, ok := expr.Eval(doc)
		if !ok && value != nil {
			t.Errorf("%q is absent and %v", text, value)
		}
		if strings.HasPrefix(expr.String(), "join(") && ok {
			if _, isText := value.(string); !isText {
				t.Errorf("%q gave a %T, want a string", text, value)
			}
		}
	})
}
