package jsonpath_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/keybearer/keybearer/internal/jsonpath"
)

// Compile refuses or accepts, never panics; what it accepts selects within its bounds from any JSON,
// and a singular path selects one value at most.
func FuzzPath(f *testing.F) {
	for _, file := range []string{"testdata/compliance/cts.json", "testdata/own.json"} {
		for _, c := range complianceCases(f, file) {
			doc, err := json.Marshal(c.Document)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(c.Selector, doc)
		}
	}
	f.Fuzz(func(t *testing.T, expr string, data []byte) {
		path, err := jsonpath.Compile(expr)
		if err != nil {
			var syntax *jsonpath.SyntaxError
			if !errors.As(err, &syntax) || syntax.Offset < 0 || syntax.Offset > len(expr) || syntax.Error() == "" {
				t.Errorf("Compile(%q) gave the error %#v", expr, err)
			}
			return
		}
		if path.String() != expr {
			t.Errorf("Compile(%q).String() = %q", expr, path)
		}
		var doc any
		if json.Unmarshal(data, &doc) != nil {
			return
		}
		most := jsonpath.MaxNodes
		if path.Singular() {
			most = 1
		}
		if got := len(path.Select(doc)); got > most {
			t.Errorf("%q selected %d values, want %d at most", expr, got, most)
		}
	})
}
