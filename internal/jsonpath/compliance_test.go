package jsonpath_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/internal/jsonpath"
)

type complianceCase struct {
	Name     string  `json:"name"`
	Selector string  `json:"selector"`
	Document any     `json:"document"`
	Result   []any   `json:"result"`
	Results  [][]any `json:"results"` // several are right where the RFC leaves the order open
	Invalid  bool    `json:"invalid_selector"`
}

func complianceCases(t testing.TB, file string) []complianceCase {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var suite struct{ Tests []complianceCase }
	if err := json.Unmarshal(data, &suite); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return suite.Tests
}

// Without filters we pass the whole suite; with one, everything valid is refused for the filter.
func TestComplianceSuite(t *testing.T) {
	var plain, filters int
	for _, c := range complianceCases(t, "testdata/compliance/cts.json") {
		if strings.Contains(c.Selector, "?") {
			filters++
			t.Run(c.Name, func(t *testing.T) { refused(t, c) })
			continue
		}
		plain++
		t.Run(c.Name, func(t *testing.T) { complies(t, c) })
	}
	if plain != 317 || filters != 370 {
		t.Errorf("the suite has %d cases without and %d with a filter, want 317 and 370: was it cut?", plain, filters)
	}
}

func TestOwnCases(t *testing.T) {
	for _, c := range complianceCases(t, "testdata/own.json") {
		t.Run(c.Name, func(t *testing.T) { complies(t, c) })
	}
}

func complies(t *testing.T, c complianceCase) {
	t.Helper()
	path, err := jsonpath.Compile(c.Selector)
	if c.Invalid {
		if err == nil {
			t.Fatalf("Compile(%q) accepted an invalid selector", c.Selector)
		}
		wellPlaced(t, c.Selector, err)
		return
	}
	if err != nil {
		t.Fatalf("Compile(%q): %v", c.Selector, err)
	}
	if path.String() != c.Selector {
		t.Errorf("String() = %q, want %q", path, c.Selector)
	}
	got := path.Select(c.Document)
	want := c.Results
	if want == nil {
		want = [][]any{c.Result}
	}
	for _, w := range want {
		if len(got) == 0 && len(w) == 0 || cmp.Equal(got, w) {
			return
		}
	}
	t.Errorf("Select(%q) = %v, want one of %v", c.Selector, got, want)
}

func refused(t *testing.T, c complianceCase) {
	t.Helper()
	_, err := jsonpath.Compile(c.Selector)
	if err == nil {
		t.Fatalf("Compile(%q) accepted a filter", c.Selector)
	}
	syntax := wellPlaced(t, c.Selector, err)
	if c.Invalid {
		return // either reason will do
	}
	if !strings.Contains(err.Error(), "filters are not supported") {
		t.Errorf("Compile(%q): %v; want the filter named as the reason", c.Selector, err)
	}
	if want := strings.IndexByte(c.Selector, '?'); syntax.Offset != want {
		t.Errorf("Compile(%q) points at byte %d, want the filter's %d", c.Selector, syntax.Offset, want)
	}
}

func wellPlaced(t *testing.T, selector string, err error) *jsonpath.SyntaxError {
	t.Helper()
	var syntax *jsonpath.SyntaxError
	if !errors.As(err, &syntax) {
		t.Fatalf("Compile(%q) gave a %T, want a *jsonpath.SyntaxError", selector, err)
	}
	if syntax.Offset < 0 || syntax.Offset > len(selector) || syntax.Found == "" || syntax.Allowed == "" {
		t.Errorf("Compile(%q): incomplete error %#v", selector, syntax)
	}
	return syntax
}
