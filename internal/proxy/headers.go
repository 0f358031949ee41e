package proxy

import (
	"net/http"
	"net/textproto"
	"strings"
)

// onwards is the headers of a message without those that are about one connection (RFC 9110 section 7.6.1):
// the ones known, and those that Connection names. What the proxy adds later cannot be taken off by them.
func onwards(h http.Header) http.Header {
	out := make(http.Header, len(h)+2)
	for name, values := range h {
		if !isHop(name) {
			out[name] = values
		}
	}
	for _, line := range h["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			delete(out, textproto.CanonicalMIMEHeaderKey(textproto.TrimString(name)))
		}
	}
	return out
}

func isHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// hasToken reports whether a header's lists have a word, in any case.
func hasToken(values []string, word string) bool {
	for _, line := range values {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(textproto.TrimString(token), word) {
				return true
			}
		}
	}
	return false
}

// isCredential reports headers that carry credentials: the route's own and those of custom. Underscores are
// hyphens here, as they are to many servers.
func isCredential(name, own string) bool {
	if strings.Contains(name, "_") {
		name = strings.ReplaceAll(name, "_", "-")
	}
	switch {
	case strings.EqualFold(name, own):
		return true
	case len(name) > len("X-Goog-Api-Key"):
		return false
	}
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Authorization", "X-Api-Key", "Api-Key", "X-Goog-Api-Key", "Private-Token", "X-Auth-Token", "X-Access-Token":
		return true
	}
	return false
}
