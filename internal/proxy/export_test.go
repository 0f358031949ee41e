package proxy

import (
	"net/http"
	"net/url"

	"github.com/keybearer/keybearer"
)

// What tests of foreign bytes reach from outside.

// ParseTarget is parseTarget, in the spelling that is compared.
func ParseTarget(text string, port uint16) (string, error) {
	to, err := parseTarget(text, port)
	return to.String(), err
}

// PlainPath is plainPath, and HasDots hasDots.
func PlainPath(escaped string) string { return plainPath(escaped) }

// HasDots is hasDots.
func HasDots(escaped string) bool { return hasDots(escaped) }

// ServedBy reports whether a route with a host serves a target.
func ServedBy(host, text string) bool {
	r := keybearer.Route{}
	r.API.Hosts = []string{host}
	to, err := parseTarget(text, 0)
	return err == nil && len(newTable([]keybearer.Route{r}, nil).at(to)) > 0
}

// Replace puts a credential in the place of a placeholder, as a request does, and reports whether one was found.
func Replace(tag, text, value, query, credential string) (newValue, newQuery string, found bool) {
	a := &agent{tag: tag, placeholders: []placeholder{{text: text}}}
	h, err := a.seek(&url.URL{RawQuery: query}, http.Header{"X": {value}})
	if err != nil || h.text == "" {
		return value, query, false
	}
	return h.replaceIn(value, credential), h.replaceInQuery(query, credential), true
}
