package oauth_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
