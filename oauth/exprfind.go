package oauth

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/internal/jsonpath"
)

// The bounds of what expressions make.
const (
	maxJoined = 1 << 20 // bytes; a longer text counts as absent
	maxJWT    = 1 << 18 // bytes; a longer token counts as absent
)

// A finder is one node of an expression. What is not there is not an error: ok is false.
type finder interface {
	find(doc any) (value any, ok bool)
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
