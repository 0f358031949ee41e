package jsonpath

import "fmt"

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
