package jsonpath

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	allowedHex  = "four hexadecimal digits"
	allowedPair = `the low half of a surrogate pair (\uDC00 to \uDFFF)`
)

// Literal reads the string literal (RFC 9535 section 2.3.1.1) that begins in expr at byte start, with
// a single or double quote, and gives its text and the offset behind it. Refusals are [*SyntaxError]s.
func Literal(expr string, start int) (text string, end int, err error) {
	s := scanner{expr: expr, at: start}
	if q := s.peek(); q != '\'' && q != '"' {
		return "", start, s.refuse("a string in single or double quotes")
	}
	text, err = s.literal()
	return text, s.at, err
}

// literal reads a string; the next byte is its opening quote.
func (s *scanner) literal() (string, error) {
	quote := s.peek()
	s.at++
	var b strings.Builder
	for !s.done() {
		r, size := utf8.DecodeRuneInString(s.expr[s.at:])
		switch {
		case r == rune(quote):
			s.at++
			return b.String(), nil
		case r == '\\':
			r, err := s.escape(quote)
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			continue
		case r < 0x20:
			return "", s.refuse(`no control characters in a string; write \n, \t or \u000a`)
		case r == utf8.RuneError && size == 1:
			return "", s.refuse("UTF-8")
		}
		b.WriteRune(r)
		s.at += size
	}
	return "", s.refuse(string(quote) + " to close the string")
}

// escape reads one escape sequence. Only the quote that delimits the string may be escaped.
func (s *scanner) escape(quote byte) (rune, error) {
	start := s.at
	s.at++
	c := s.peek()
	s.at++
	switch c {
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case '/', '\\', quote:
		return rune(c), nil
	case 'u':
		return s.unicode(start)
	}
	s.at--
	return 0, s.refuse(`after a backslash one of b f n r t / \ u ` + string(quote))
}

// unicode reads the digits after "\u", which stands at start; a high surrogate must be followed by
// the escape of a low one.
func (s *scanner) unicode(start int) (rune, error) {
	r, err := s.hex4()
	if err != nil || !utf16.IsSurrogate(r) {
		return r, err
	}
	if r >= 0xDC00 {
		return 0, Unexpected(s.expr, start, "a character, or a whole surrogate pair with its high half first")
	}
	low := s.at
	if !s.accept(`\u`) {
		return 0, s.refuse(allowedPair)
	}
	second, err := s.hex4()
	if err != nil {
		return 0, err
	}
	pair := utf16.DecodeRune(r, second)
	if pair == utf8.RuneError {
		return 0, Unexpected(s.expr, low, allowedPair)
	}
	return pair, nil
}

func (s *scanner) hex4() (rune, error) {
	for i := range 4 {
		if s.at+i >= len(s.expr) || !strings.ContainsRune("0123456789abcdefABCDEF", rune(s.expr[s.at+i])) {
			return 0, Unexpected(s.expr, s.at+i, allowedHex)
		}
	}
	n, err := strconv.ParseUint(s.expr[s.at:s.at+4], 16, 16)
	s.at += 4
	return rune(n), err
}
