package oauth

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxExprFallbacks bounds the expressions in one list.
const maxExprFallbacks = 16

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
