// Package jsonpath reads values out of decoded JSON with JSONPath (RFC 9535), without filters.
//
// It owns the syntax (names, indexes, wildcards, slices, unions, descendants), the place named in
// every syntax error, and the bounds that keep hostile expressions and documents harmless. What
// stands around a path in a response map (bare keys, join, jwt_decode) belongs to package oauth.
//
// Filters ("?") and with them the function extensions are left out on purpose: the paths come from
// configuration and point at fields of token answers, and a filter would bring comparisons and
// regular expressions over foreign data for no known provider. [Compile] refuses them by name.
package jsonpath

// The bounds. An expression beyond MaxExpression does not compile; a selection that would go beyond
// one of the others selects nothing, never a part.
const (
	// MaxExpression is the length of an expression in bytes.
	MaxExpression = 4096
	// MaxDepth is how many levels of nesting a descendant segment ("..") goes down.
	MaxDepth = 1000
	// MaxNodes is how many values one segment may select, the last one as well as those before it.
	MaxNodes = 10_000
	// MaxSteps is the work of one selection, all segments together: each selector tried on a value and
	// each child stepped to counts one.
	MaxSteps = 1 << 18
)

// Path is a compiled JSONPath expression. It does not change, so any number of goroutines may use
// it. The zero value is the path "$", the whole document.
type Path struct {
	text     string
	segments []segment
}

// A segment turns each value of a list into the values its selectors find in it (RFC 9535 section 1.4.2).
type segment struct {
	descend   bool // ".." applies the selectors to the value and to everything below it
	selectors []selector
}

type selectorKind int

const (
	byName selectorKind = iota
	byIndex
	bySlice
	byWildcard
)

type selector struct {
	kind  selectorKind
	name  string
	index int64
	slice slice
}

// A slice is start:end:step; nil means absent (RFC 9535 section 2.3.4).
type slice struct{ start, end, step *int64 }

// String gives the expression as it was written.
func (p *Path) String() string {
	if p.text == "" {
		return "$"
	}
	return p.text
}

// Singular reports whether the path is a singular query (RFC 9535 section 2.3.5.1): made of single
// names and indexes only, so that it selects at most one value in any document.
func (p *Path) Singular() bool {
	for _, s := range p.segments {
		if s.descend || len(s.selectors) != 1 || s.selectors[0].kind > byIndex {
			return false
		}
	}
	return true
}
