package jsonpath_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/internal/jsonpath"
)

func compile(t *testing.T, expr string) *jsonpath.Path {
	t.Helper()
	path, err := jsonpath.Compile(expr)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestErrorsNameThePlaceAndWhatIsAllowed(t *testing.T) {
	for expr, want := range map[string]string{
		``:                  `expression "": byte 1: found the end, allowed here: "$", with which every path begins`,
		`access_token`:      `expression "access_token": byte 1: found 'a', allowed here: "$", with which every path begins`,
		`$.a.`:              `expression "$.a.": byte 5: found the end, allowed here: a name or "*"`,
		`$..`:               `expression "$..": byte 4: found the end, allowed here: a name, "*" or "["`,
		`$.a-b`:             `expression "$.a-b": byte 4: found '-', allowed here: a segment (".name", "[...]" or "..") or the end; names with other characters are written ['like-this']`,
		`$.-b`:              `expression "$.-b": byte 3: found '-', allowed here: a name or "*"; names with other characters are written ['like-this']`,
		`$[01]`:             `expression "$[01]": byte 3: found 01, allowed here: an integer without leading zeros`,
		`$[-0]`:             `expression "$[-0]": byte 3: found -0, allowed here: an integer; zero has no sign and no integer a leading zero`,
		`$[-]`:              `expression "$[-]": byte 4: found ']', allowed here: a digit`,
		`$[a]`:              `expression "$[a]": byte 3: found 'a', allowed here: a quoted name, an index, a slice or "*"`,
		`$[1 2]`:            `expression "$[1 2]": byte 5: found '2', allowed here: "," or "]"`,
		`$['a]`:             `expression "$['a]": byte 6: found the end, allowed here: ' to close the string`,
		`$['\x']`:           `expression "$['\\x']": byte 5: found 'x', allowed here: after a backslash one of b f n r t / \ u '`,
		`$['\u12']`:         `expression "$['\\u12']": byte 8: found '\'', allowed here: four hexadecimal digits`,
		`$['\ud800']`:       `expression "$['\\ud800']": byte 10: found '\'', allowed here: the low half of a surrogate pair (\uDC00 to \uDFFF)`,
		"$['a\nb']":         `expression "$['a\nb']": byte 5: found '\n', allowed here: no control characters in a string; write \n, \t or \u000a`,
		"$.\xff":            `expression "$.\xff": byte 3: found the byte 0xff, which is not UTF-8, allowed here: a name or "*"`,
		"$['\xff']":         `expression "$['\xff']": byte 4: found the byte 0xff, which is not UTF-8, allowed here: UTF-8`,
		`$.a `:              `expression "$.a ": byte 4: found ' ', allowed here: no blanks at the end of a path`,
		`$.a[?@.b]`:         `expression "$.a[?@.b]": byte 5: found the filter "?", allowed here: a quoted name, an index, a slice or "*"; filters are not supported`,
		`$[99999999999999]`: "",
		`$[9007199254740992]`: `expression "$[9007199254740992]": byte 3: found 9007199254740992, ` +
			`allowed here: an integer from -9007199254740991 to 9007199254740991`,
	} {
		_, err := jsonpath.Compile(expr)
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("Compile(%q)\n got %s\nwant %s", expr, got, want)
		}
	}
}

func TestLongExpressionsAreRefused(t *testing.T) {
	longest := "$." + strings.Repeat("a", jsonpath.MaxExpression-2)
	compile(t, longest)
	_, err := jsonpath.Compile(longest + "a")
	if err == nil || !strings.Contains(err.Error(), "found an expression of 4097 bytes, allowed here: 4096 bytes at most") {
		t.Errorf("got %v, want a refusal that names the limit", err)
	}
	if len(err.Error()) > 300 {
		t.Errorf("the error repeats %d bytes of the expression", len(err.Error()))
	}
}

func TestSingular(t *testing.T) {
	for expr, want := range map[string]bool{
		"$": true, "$.a": true, "$['a'][0]['b'][-1]": true, "$ .a [0]": true,
		"$.*": false, "$[*]": false, "$[0,1]": false, "$['a','b']": false, "$[0:1]": false, "$..a": false, "$..[0]": false,
	} {
		if got := compile(t, expr).Singular(); got != want {
			t.Errorf("Compile(%q).Singular() = %v, want %v", expr, got, want)
		}
	}
}

func TestZeroPathIsTheDocument(t *testing.T) {
	var path jsonpath.Path
	if got := path.Select("doc"); len(got) != 1 || got[0] != "doc" || path.String() != "$" || !path.Singular() {
		t.Errorf("zero path selects %v and prints %q", got, path.String())
	}
}

func TestLeavesOfAnyTypeArePassedThrough(t *testing.T) {
	doc := map[string]any{"a": []any{json.Number("9007199254740993"), 1.5, true, nil, "s"}}
	got := compile(t, "$.a[*]").Select(doc)
	if diff := cmp.Diff(doc["a"], any(got)); diff != "" {
		t.Error(diff)
	}
}

func TestLiteral(t *testing.T) {
	text, end, err := jsonpath.Literal(`join('a\'b', ' ')`, 5)
	if err != nil || text != "a'b" || end != 11 {
		t.Errorf("got %q, %d, %v", text, end, err)
	}
	if _, _, err := jsonpath.Literal(`join(x)`, 5); err == nil || !strings.Contains(err.Error(), "byte 6: found 'x'") {
		t.Errorf("got %v, want a refusal at byte 6", err)
	}
	if _, _, err := jsonpath.Literal(``, 0); err == nil {
		t.Error("an empty text is no literal")
	}
}

// Beyond a bound nothing is selected: a part of the truth could be taken for the whole.
func TestBounds(t *testing.T) {
	array := func(n int) any { return make([]any, n) }
	object := func(n int) any {
		m := make(map[string]any, n)
		for i := range n {
			m[fmt.Sprint(i)] = nil
		}
		return m
	}
	nested := func(depth int) any {
		var doc any = map[string]any{"leaf": true}
		for range depth {
			doc = []any{doc}
		}
		return doc
	}
	repeated := func(times int) string { return "$[" + strings.Repeat("0,", times-1) + "0]" }

	for _, c := range []struct {
		name, expr string
		doc        any
		want       int
	}{
		{"as many as may be", "$[*]", array(jsonpath.MaxNodes), jsonpath.MaxNodes},
		{"one element too many", "$[*]", array(jsonpath.MaxNodes + 1), 0},
		{"one member too many", "$.*", object(jsonpath.MaxNodes + 1), 0},
		{"slice too long", "$[:]", array(jsonpath.MaxNodes + 1), 0},
		{"slice short enough", "$[:3]", array(jsonpath.MaxNodes + 1), 3},
		{"too many on the way", "$[*][0]", array(jsonpath.MaxNodes + 1), 0},
		{"unions multiply", repeated(1000) + repeated(1000)[1:], []any{[]any{1}}, 0},
		{"unions multiply for nothing", "$[*]" + strings.ReplaceAll(repeated(1000)[1:], "0", "'x'"), array(1000), 0},
		{"descendants multiply", "$" + strings.Repeat("..[*]", 20), nested(100), 0},
		{"much to look at, an object", "$..['7']", object(jsonpath.MaxSteps/2 - 1), 1},
		{"too much to look at, an object", "$..['7']", object(jsonpath.MaxSteps / 2), 0},
		{"much to look at, an array", "$..[7]", array(jsonpath.MaxSteps/2 - 1), 1},
		{"too much to look at, an array", "$..[7]", array(jsonpath.MaxSteps / 2), 0},
		{"as deep as may be", "$..leaf", nested(jsonpath.MaxDepth - 1), 1},
		{"too deep", "$..leaf", nested(jsonpath.MaxDepth), 0},
	} {
		if got := len(compile(t, c.expr).Select(c.doc)); got != c.want {
			t.Errorf("%s: got %d values, want %d", c.name, got, c.want)
		}
	}
}

func TestCyclicDocumentEnds(t *testing.T) {
	doc := map[string]any{}
	doc["self"] = doc
	if got := compile(t, "$..x").Select(doc); got != nil {
		t.Errorf("got %v", got)
	}
}

func TestPathIsSafeForConcurrentUse(t *testing.T) {
	path := compile(t, "$..a[::-1]")
	doc := map[string]any{"a": []any{1, 2}, "b": map[string]any{"a": []any{3}}}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if got := path.Select(doc); !cmp.Equal(got, []any{2, 1, 3}) {
				t.Errorf("got %v", got)
			}
		})
	}
	wg.Wait()
}
