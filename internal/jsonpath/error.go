package jsonpath

import (
	"fmt"
	"unicode/utf8"
)

// SyntaxError says where and why an expression was refused.
type SyntaxError struct {
	// Expr is the whole expression.
	Expr string
	// Offset is the place in Expr in bytes, from 0. It equals the length when something is missing at the end.
	Offset int
	// Found is what stands there, Allowed what could.
	Found, Allowed string
}

// Error names the place counted from 1, as editors do, and shows the beginning of the expression.
func (e *SyntaxError) Error() string {
	const shown = 80
	expr, more := e.Expr, ""
	if len(expr) > shown {
		expr, more = expr[:shown], "..."
	}
	return fmt.Sprintf("expression %q%s: byte %d: found %s, allowed here: %s", expr, more, e.Offset+1, e.Found, e.Allowed)
}

// Unexpected refuses what stands in expr at offset.
func Unexpected(expr string, offset int, allowed string) *SyntaxError {
	found := "the end"
	if offset < len(expr) {
		r, size := utf8.DecodeRuneInString(expr[offset:])
		found = fmt.Sprintf("%q", r)
		if r == utf8.RuneError && size == 1 {
			found = fmt.Sprintf("the byte 0x%02x, which is not UTF-8", expr[offset])
		}
	}
	return &SyntaxError{Expr: expr, Offset: offset, Found: found, Allowed: allowed}
}
