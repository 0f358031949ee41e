package jsonpath

import "strings"

// A scanner walks over an expression. Every step that fails gives a [*SyntaxError].
type scanner struct {
	expr string
	at   int
}

func (s *scanner) done() bool { return s.at >= len(s.expr) }

// peek gives the next byte, or 0 at the end. A 0 inside the expression is allowed nowhere either.
func (s *scanner) peek() byte {
	if s.done() {
		return 0
	}
	return s.expr[s.at]
}

// accept steps over text if it comes next.
func (s *scanner) accept(text string) bool {
	if !strings.HasPrefix(s.expr[s.at:], text) {
		return false
	}
	s.at += len(text)
	return true
}

// blanks steps over the four characters that RFC 9535 section 2.1.1 calls blank.
func (s *scanner) blanks() {
	for !s.done() && strings.IndexByte(" \t\n\r", s.expr[s.at]) >= 0 {
		s.at++
	}
}

func (s *scanner) refuse(allowed string) error { return Unexpected(s.expr, s.at, allowed) }
