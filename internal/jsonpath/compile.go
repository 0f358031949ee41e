package jsonpath

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// What the errors say is allowed.
const (
	allowedSegment  = `a segment (".name", "[...]" or "..") or the end` + otherNames
	allowedSelector = `a quoted name, an index, a slice or "*"`
	noFilters       = allowedSelector + "; filters are not supported"
	otherNames      = `; names with other characters are written ['like-this']`
)

// maxInt is the largest integer that JSON implementations agree on (RFC 7493 section 2.2), which
// bounds indexes and slices (RFC 9535 section 2.1).
const maxInt = 1<<53 - 1

// Compile reads an expression (RFC 9535 section 2). Every refusal is a [*SyntaxError]; a filter is
// refused as such, at its place.
func Compile(expr string) (*Path, error) {
	if len(expr) > MaxExpression {
		return nil, &SyntaxError{
			Expr: expr, Offset: MaxExpression,
			Found:   fmt.Sprintf("an expression of %d bytes", len(expr)),
			Allowed: fmt.Sprintf("%d bytes at most", MaxExpression),
		}
	}
	c := compiler{scanner{expr: expr}}
	if !c.accept("$") {
		return nil, c.refuse(`"$", with which every path begins`)
	}
	path := &Path{text: expr}
	for !c.done() {
		seg, err := c.segment()
		if err != nil {
			return nil, err
		}
		path.segments = append(path.segments, seg)
	}
	return path, nil
}

type compiler struct{ scanner }

// segment reads one segment and the blanks before it. After a dot no blank may stand.
func (c *compiler) segment() (segment, error) {
	before := c.at
	c.blanks()
	switch {
	case c.done():
		return segment{}, Unexpected(c.expr, before, "no blanks at the end of a path")
	case c.peek() == '[':
		selectors, err := c.brackets()
		return segment{selectors: selectors}, err
	case c.accept(".."):
		if c.peek() == '[' {
			selectors, err := c.brackets()
			return segment{descend: true, selectors: selectors}, err
		}
		sel, err := c.shorthand(`a name, "*" or "["`)
		return segment{descend: true, selectors: []selector{sel}}, err
	case c.accept("."):
		sel, err := c.shorthand(`a name or "*"`)
		return segment{selectors: []selector{sel}}, err
	}
	return segment{}, c.refuse(allowedSegment)
}

// shorthand reads what follows a dot (RFC 9535 section 2.5.1).
func (c *compiler) shorthand(allowed string) (selector, error) {
	if c.accept("*") {
		return selector{kind: byWildcard}, nil
	}
	start := c.at
	for !c.done() {
		r, size := utf8.DecodeRuneInString(c.expr[c.at:])
		if r == utf8.RuneError && size == 1 {
			return selector{}, c.refuse(allowed)
		}
		if !nameFirst(r) && (c.at == start || !digit(r)) {
			break
		}
		c.at += size
	}
	if c.at == start {
		if c.peek() != 0 {
			allowed += otherNames
		}
		return selector{}, c.refuse(allowed)
	}
	return selector{kind: byName, name: c.expr[start:c.at]}, nil
}

func nameFirst(r rune) bool {
	return r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= 0x80
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

// brackets reads "[" selector *("," selector) "]", blanks anywhere between.
func (c *compiler) brackets() ([]selector, error) {
	c.accept("[")
	var list []selector
	for {
		c.blanks()
		sel, err := c.selector()
		if err != nil {
			return nil, err
		}
		list = append(list, sel)
		c.blanks()
		if c.accept("]") {
			return list, nil
		}
		if !c.accept(",") {
			return nil, c.refuse(`"," or "]"`)
		}
	}
}

func (c *compiler) selector() (selector, error) {
	switch b := c.peek(); {
	case b == '\'' || b == '"':
		name, err := c.literal()
		return selector{kind: byName, name: name}, err
	case b == '?':
		return selector{}, &SyntaxError{Expr: c.expr, Offset: c.at, Found: `the filter "?"`, Allowed: noFilters}
	case b == ':' || b == '-' || digit(rune(b)):
		return c.indexOrSlice()
	case c.accept("*"):
		return selector{kind: byWildcard}, nil
	}
	return selector{}, c.refuse(allowedSelector)
}

// indexOrSlice reads an index, or start:end:step with each part optional.
func (c *compiler) indexOrSlice() (selector, error) {
	start, err := c.integer()
	if err != nil {
		return selector{}, err
	}
	c.blanks()
	if !c.accept(":") {
		return selector{kind: byIndex, index: *start}, nil // not nil: selector saw a digit or "-"
	}
	sel := selector{kind: bySlice, slice: slice{start: start}}
	c.blanks()
	if sel.slice.end, err = c.integer(); err != nil {
		return selector{}, err
	}
	c.blanks()
	if !c.accept(":") {
		return sel, nil
	}
	c.blanks()
	sel.slice.step, err = c.integer()
	return sel, err
}

// integer reads an integer if one comes next, else gives nil: no leading zeros, no "-0", within
// the bounds of I-JSON.
func (c *compiler) integer() (*int64, error) {
	start := c.at
	c.accept("-")
	first := c.at
	for digit(rune(c.peek())) {
		c.at++
	}
	text := c.expr[start:c.at]
	refuse := func(allowed string) (*int64, error) {
		return nil, &SyntaxError{Expr: c.expr, Offset: start, Found: clip(text), Allowed: allowed}
	}
	switch {
	case text == "":
		return nil, nil
	case first == c.at:
		return nil, c.refuse("a digit")
	case text[0] == '-' && c.expr[first] == '0':
		return refuse("an integer; zero has no sign and no integer a leading zero")
	case c.expr[first] == '0' && c.at-first > 1:
		return refuse("an integer without leading zeros")
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n > maxInt || n < -maxInt {
		return refuse(fmt.Sprintf("an integer from %d to %d", -maxInt, maxInt))
	}
	return &n, nil
}

func clip(number string) string {
	if len(number) > 24 {
		return number[:24] + "..."
	}
	return number
}
