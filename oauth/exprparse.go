package oauth

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/keybearer/keybearer/internal/jsonpath"
)

// The bounds of expressions.
const (
	maxExprNesting = 8  // calls within calls
	maxDelimiter   = 64 // bytes between joined values
)

// exprParser walks over one expression.
type exprParser struct {
	text    string
	at      int
	nesting int
}

const (
	allowedExpr = `a path ($.data.access_token), a key (access_token), join('$.scope', ' ') or jwt_decode('$.token', '$.claim')`
	allowedKey  = `only letters, digits, "_" and "-" in a key; a path begins with "$" ($.data.access_token, $['other key'])`
	allowedArg  = `a path in quotes ('$.scope'), join(...) or jwt_decode(...)`
)

func (p *exprParser) expression() (finder, error) {
	if len(p.text) > jsonpath.MaxExpression {
		return nil, p.refuse(jsonpath.MaxExpression, fmt.Sprintf("an expression of %d bytes", len(p.text)),
			fmt.Sprintf("%d bytes at most", jsonpath.MaxExpression))
	}
	switch {
	case p.text == "":
		return nil, p.refuse(0, "nothing", allowedExpr)
	case p.text[0] == '$':
		return pathOrKey(p.text)
	case p.text[0] == '\'' || p.text[0] == '"':
		return nil, p.refuse(0, "a quote", allowedExpr+", without quotes around the whole")
	}
	if !strings.HasPrefix(p.text[wordEnd(p.text, 0):], "(") {
		return pathOrKey(p.text)
	}
	call, err := p.call()
	if err != nil {
		return nil, err
	}
	if p.blanks(); p.at < len(p.text) {
		return nil, p.unexpected("the end")
	}
	return call, nil
}

// call reads a function name and its arguments. Both functions take where to look, then a quoted text.
func (p *exprParser) call() (finder, error) {
	start := p.at
	p.at = wordEnd(p.text, p.at)
	name := p.text[start:p.at]
	if name != "join" && name != "jwt_decode" {
		return nil, p.refuse(start, fmt.Sprintf("the function %q", name), "join or jwt_decode")
	}
	if p.nesting++; p.nesting > maxExprNesting {
		return nil, p.refuse(start, fmt.Sprintf("call %d within calls", p.nesting), fmt.Sprintf("%d at most", maxExprNesting))
	}
	if err := p.expect('('); err != nil {
		return nil, err
	}
	source, err := p.source()
	if err != nil {
		return nil, err
	}
	if err := p.expect(','); err != nil {
		return nil, err
	}
	p.blanks()
	var call finder
	if name == "join" {
		call, err = p.delimiter(source)
	} else {
		var claim finder
		claim, err = p.quotedPath()
		call = jwtFinder{source, claim}
	}
	if err != nil {
		return nil, err
	}
	return call, p.expect(')')
}

func (p *exprParser) delimiter(list finder) (finder, error) {
	start := p.at
	delimiter, end, err := jsonpath.Literal(p.text, p.at)
	if err != nil {
		return nil, err
	}
	if len(delimiter) > maxDelimiter {
		return nil, p.refuse(start, fmt.Sprintf("a delimiter of %d bytes", len(delimiter)), fmt.Sprintf("%d bytes at most", maxDelimiter))
	}
	p.at = end
	return joinFinder{list, delimiter}, nil
}

// source reads the first argument: a quoted path or key, or a call.
func (p *exprParser) source() (finder, error) {
	p.blanks()
	if p.at < len(p.text) && (p.text[p.at] == '\'' || p.text[p.at] == '"') {
		return p.quotedPath()
	}
	if end := wordEnd(p.text, p.at); end > p.at && strings.HasPrefix(p.text[end:], "(") {
		return p.call()
	}
	return nil, p.unexpected(allowedArg)
}

// quotedPath reads a path or key in quotes. When the quotes hold no escapes, a refusal points into
// the whole expression.
func (p *exprParser) quotedPath() (finder, error) {
	start := p.at
	text, end, err := jsonpath.Literal(p.text, start)
	if err != nil {
		return nil, err
	}
	p.at = end
	find, err := pathOrKey(text)
	var syntax *jsonpath.SyntaxError
	if errors.As(err, &syntax) && p.text[start+1:end-1] == text {
		return nil, p.refuse(start+1+syntax.Offset, syntax.Found, syntax.Allowed)
	}
	return find, err
}

func (p *exprParser) blanks() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
}

func (p *exprParser) expect(b byte) error {
	p.blanks()
	if p.at >= len(p.text) || p.text[p.at] != b {
		return p.unexpected(strconv.Quote(string(b)))
	}
	p.at++
	return nil
}

func (p *exprParser) unexpected(allowed string) error {
	return jsonpath.Unexpected(p.text, p.at, allowed)
}

func (p *exprParser) refuse(at int, found, allowed string) error {
	return &jsonpath.SyntaxError{Expr: p.text, Offset: at, Found: found, Allowed: allowed}
}

// pathOrKey compiles a path, or a key as the path to it.
func pathOrKey(text string) (finder, error) {
	expr := text
	if !strings.HasPrefix(text, "$") {
		if end := wordEnd(text, 0); text == "" || end < len(text) {
			return nil, jsonpath.Unexpected(text, end, allowedKey)
		}
		expr = "$['" + text + "']"
	}
	path, err := jsonpath.Compile(expr)
	if err != nil {
		return nil, err
	}
	return pathFinder{path}, nil
}

// wordEnd gives the offset behind the letters, digits, "_" and "-" that begin at start.
func wordEnd(text string, start int) int {
	for i, r := range text[start:] {
		if r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return start + i
		}
	}
	return len(text)
}
