package oauth_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/jsonpath"
	"github.com/keybearer/keybearer/oauth"
)

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
