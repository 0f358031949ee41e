package policy

import (
	"net/http"
	"strings"
)

// Override gives the method that a request's headers ask the upstream to take it for. Many frameworks and
// the APIs of Google follow X-HTTP-Method-Override, and others one of its relatives, so that a POST can be
// a DELETE. Empty: they do not; of several that differ, all with commas between, which no policy lets through.
func Override(h http.Header) string {
	var found []string
	for _, name := range []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"} {
		for _, value := range h[name] {
			value = upper(strings.TrimSpace(value))
			if len(found) == 0 || found[0] != value {
				found = append(found, value)
			}
		}
	}
	return strings.Join(found, ",")
}

// stricter judges the request by its other method, too.
func (p *Policy) stricter(d Decision, request Request) Decision {
	request.Method, request.Override = upper(request.Override), ""
	if !token(request.Method) {
		return Decision{Verdict: Refuse, Reason: "the policy refuses a request whose headers ask to take it for another method, and not for one alone"}
	}
	other := p.decide(request)
	if strictness(other.Verdict) <= strictness(d.Verdict) {
		return d
	}
	other.Reason += " (a header asks to take the request for " + request.Method + ")"
	return other
}

func strictness(v Verdict) int {
	switch v {
	case Refuse:
		return 2
	case Ask:
		return 1
	}
	return 0
}
