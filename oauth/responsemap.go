package oauth

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/internal/jsonpath"
)

// The bounds of expressions and of what they make.
const (
	maxExprNesting   = 8       // calls within calls
	maxExprFallbacks = 16      // expressions in one list
	maxDelimiter     = 64      // bytes between joined values
	maxJoined        = 1 << 20 // bytes; a longer text counts as absent
	maxJWT           = 1 << 18 // bytes; a longer token counts as absent
)

// ResponseMap says where in an answer the fields are: field name to expression. Which names mean
// something depends on the request (see [Request]). A null expression stands for none.
type ResponseMap map[string]Expr

// Apply reads every field out of doc, a decoded JSON answer. Fields whose expression finds nothing
// are left out; the result is never nil. The values are shared with doc.
func (m ResponseMap) Apply(doc any) map[string]any {
	fields := make(map[string]any, len(m))
	for name, expr := range m {
		if value, ok := expr.Eval(doc); ok {
			fields[name] = value
		}
	}
	return fields
}

// Expr is an expression of a response map, checked and ready to use:
//
//	$.data.access_token                            a JSONPath (RFC 9535), without filters
//	access_token                                   a key of the answer: letters, digits, "_" and "-"
//	join('$.scope', ' ')                           a list as one text
//	jwt_decode('$.id_token', '$.org.id')           a path inside the claims of a JWT
//	join(jwt_decode('$.access_token', '$.scp'), ' ')
//
// Arguments are in single or double quotes, with the escapes of JSONPath, or calls themselves; where
// a path is asked for, a key will do. In YAML and JSON an expression is a string, or a list of strings
// of which the first to find something counts, null and empty text being nothing.
//
// A jwt_decode checks no signature, issuer or date: the token came straight from the provider's token
// endpoint over TLS, and its claims describe the answer. They are no proof of who somebody is.
//
// The zero value finds nothing. An Expr does not change; any number of goroutines may use it.
type Expr struct{ alternatives []alternative }

type alternative struct {
	text string
	find finder
}

// A finder is one node of an expression. What is not there is not an error: ok is false.
type finder interface {
	find(doc any) (value any, ok bool)
}

// ParseExpr reads one expression. A refusal names the place, what stands there and what is allowed.
func ParseExpr(s string) (Expr, error) {
	p := exprParser{text: strings.TrimSpace(s)}
	find, err := p.expression()
	if err != nil {
		return Expr{}, err
	}
	return Expr{[]alternative{{p.text, find}}}, nil
}

// ParseExprList reads a list of expressions of which the first to find something counts. A list of
// one is the same as its expression.
func ParseExprList(texts ...string) (Expr, error) {
	if len(texts) == 0 {
		return Expr{}, errors.New("the list of expressions is empty: leave the key out instead")
	}
	if len(texts) > maxExprFallbacks {
		return Expr{}, fmt.Errorf("the list has %d expressions, allowed are %d", len(texts), maxExprFallbacks)
	}
	var list Expr
	for i, text := range texts {
		one, err := ParseExpr(text)
		if err != nil {
			return Expr{}, fmt.Errorf("entry %d of the list: %w", i+1, err)
		}
		list.alternatives = append(list.alternatives, one.alternatives...)
	}
	return list, nil
}

// Eval finds the value in doc, which is what encoding/json decodes into an any, best with UseNumber so
// that large numbers stay exact. Ok is false when nothing is there; a single path to null gives nil and
// true. A path with a wildcard, slice, union or descent gives a list of one value or more, and is absent
// when it finds none or goes beyond the bounds of package jsonpath. A join gives a string: of a string
// itself, of null or an object nothing.
func (e Expr) Eval(doc any) (value any, ok bool) {
	if len(e.alternatives) == 1 {
		return e.alternatives[0].find.find(doc)
	}
	for _, a := range e.alternatives {
		if value, ok := a.find.find(doc); ok && value != nil && value != "" {
			return value, true
		}
	}
	return nil, false
}

// IsZero reports whether there is no expression.
func (e Expr) IsZero() bool { return len(e.alternatives) == 0 }

// Equal reports whether both are written the same.
func (e Expr) Equal(other Expr) bool { return slices.Equal(e.texts(), other.texts()) }

// String gives the expression as it was written, a list as a JSON array.
func (e Expr) String() string {
	switch texts := e.texts(); len(texts) {
	case 0:
		return ""
	case 1:
		return texts[0]
	default:
		list, _ := json.Marshal(texts) // strings always marshal
		return string(list)
	}
}

func (e Expr) texts() []string {
	var texts []string
	for _, a := range e.alternatives {
		texts = append(texts, a.text)
	}
	return texts
}

// plain is what is marshalled: nil, a string or a list of strings.
func (e Expr) plain() any {
	switch texts := e.texts(); len(texts) {
	case 0:
		return nil
	case 1:
		return texts[0]
	default:
		return texts
	}
}

var (
	_ json.Marshaler   = Expr{}
	_ json.Unmarshaler = (*Expr)(nil)
	_ yaml.Marshaler   = Expr{}
	_ yaml.Unmarshaler = (*Expr)(nil)
	_ yaml.IsZeroer    = Expr{}
)

// MarshalJSON writes a string, a list of strings, or null for the zero value.
func (e Expr) MarshalJSON() ([]byte, error) { return json.Marshal(e.plain()) }

// MarshalYAML writes a string, a list of strings, or null for the zero value.
func (e Expr) MarshalYAML() (any, error) { return e.plain(), nil }

// UnmarshalJSON reads what MarshalJSON writes.
func (e *Expr) UnmarshalJSON(data []byte) error {
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	switch value := value.(type) {
	case nil:
		*e = Expr{}
		return nil
	case string:
		return e.set(ParseExpr(value))
	case []any:
		texts := make([]string, len(value))
		for i, entry := range value {
			text, ok := entry.(string)
			if !ok {
				return fmt.Errorf("entry %d of the list: an expression is a string", i+1)
			}
			texts[i] = text
		}
		return e.set(ParseExprList(texts...))
	}
	return errors.New("an expression is a string or a list of strings")
}

// UnmarshalYAML reads what MarshalYAML writes. The place in the file is for the caller to add.
func (e *Expr) UnmarshalYAML(node *yaml.Node) error {
	node = aliased(node)
	if node.Kind == yaml.SequenceNode {
		texts := make([]string, len(node.Content))
		for i, entry := range node.Content {
			text, err := exprScalar(aliased(entry))
			if err != nil {
				return fmt.Errorf("entry %d of the list: %w", i+1, err)
			}
			texts[i] = text
		}
		return e.set(ParseExprList(texts...))
	}
	if node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null" {
		*e = Expr{}
		return nil
	}
	text, err := exprScalar(node)
	if err != nil {
		return err
	}
	return e.set(ParseExpr(text))
}

func aliased(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func exprScalar(node *yaml.Node) (string, error) {
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", errors.New("an expression is a string or a list of strings")
	case node.ShortTag() != "!!str":
		return "", fmt.Errorf("an expression is a string: put %s in quotes", node.Value)
	}
	return node.Value, nil
}

func (e *Expr) set(parsed Expr, err error) error {
	if err == nil {
		*e = parsed
	}
	return err
}

// pathFinder is a JSONPath or a key.
type pathFinder struct{ path *jsonpath.Path }

func (f pathFinder) find(doc any) (any, bool) {
	nodes := f.path.Select(doc)
	switch {
	case len(nodes) == 0:
		return nil, false
	case f.path.Singular():
		return nodes[0], true
	}
	return nodes, true
}

// joinFinder is join(list, delimiter).
type joinFinder struct {
	list      finder
	delimiter string
}

// find renders plain values only: a null, list or object among them is left out, so that a scope which
// cannot be read is a scope not granted. A value that is no list is joined as a list of one.
func (f joinFinder) find(doc any) (any, bool) {
	value, ok := f.list.find(doc)
	if !ok {
		return nil, false
	}
	list, ok := value.([]any)
	if !ok {
		text, ok := plainText(value)
		return text, ok
	}
	var joined strings.Builder
	separator := ""
	for _, entry := range list {
		text, ok := plainText(entry)
		if !ok {
			continue
		}
		if joined.Len()+len(separator)+len(text) > maxJoined {
			return nil, false
		}
		joined.WriteString(separator)
		joined.WriteString(text)
		separator = f.delimiter
	}
	return joined.String(), true
}

// plainText renders a string, number or boolean; numbers never in exponents of our making.
func plainText(value any) (string, bool) {
	switch value := value.(type) {
	case string:
		return value, true
	case json.Number:
		return value.String(), true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(value), true
	}
	return "", false
}

// jwtFinder is jwt_decode(token, claim).
type jwtFinder struct{ token, claim finder }

func (f jwtFinder) find(doc any) (any, bool) {
	value, ok := f.token.find(doc)
	if !ok {
		return nil, false
	}
	token, ok := value.(string)
	if !ok {
		return nil, false
	}
	claims, ok := jwtClaims(token)
	if !ok {
		return nil, false
	}
	return f.claim.find(claims)
}

// jwtClaims reads the payload of a JWS in compact form (RFC 7519 section 7.2) without checking anything.
// An opaque token, an encrypted one (five parts) or a broken one has no claims to show.
func jwtClaims(token string) (claims any, ok bool) {
	if len(token) > maxJWT || strings.Count(token, ".") != 2 {
		return nil, false
	}
	part := strings.Split(token, ".")[1]
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
	if err != nil {
		return nil, false
	}
	dec := json.NewDecoder(strings.NewReader(string(payload)))
	dec.UseNumber()
	if err := dec.Decode(&claims); err != nil {
		return nil, false
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, false
	}
	_, object := claims.(map[string]any)
	return claims, object
}

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
