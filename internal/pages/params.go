package pages

import (
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// The parameters of an authorization response that we read: RFC 6749 sections 4.1.2 and 4.1.2.1, and
// RFC 9207. limits says how long each may be, in bytes; codes that are encrypted tokens come to a few
// thousand.
const (
	paramState       = "state"
	paramCode        = "code"
	paramError       = "error"
	paramDescription = "error_description"
	paramErrorURI    = "error_uri"
	paramIssuer      = "iss"
)

const maxParams = 16 << 10 // bytes of a whole query or form

func limits() map[string]int {
	return map[string]int{
		paramState: 512, paramCode: 8 << 10, paramError: 200, paramDescription: 8 << 10, paramErrorURI: 2 << 10, paramIssuer: 2 << 10,
	}
}

// readParams takes the parameters that we know out of a query or a form. Others are ignored, as RFC
// 6749 asks; a known one that comes twice is refused (its section 3.1), since two readers of such an
// answer may not see the same. The error's text is for people and repeats no value.
func readParams(raw string) (url.Values, error) {
	if len(raw) > maxParams {
		return nil, keybearer.Errorf(keybearer.TooLarge, "the provider's answer is longer than %d bytes", maxParams)
	}
	// What cannot be decoded is left out, and so missed below if it was needed: providers do put
	// unescaped text into descriptions.
	all, _ := url.ParseQuery(raw)
	known := url.Values{}
	for name, limit := range limits() {
		values := all[name]
		switch {
		case len(values) == 0:
			continue
		case len(values) > 1:
			return nil, keybearer.Errorf(keybearer.BadRequest, "the provider's answer has the parameter %q more than once", name)
		case len(values[0]) > limit:
			return nil, keybearer.Errorf(keybearer.TooLarge, "the parameter %q of the provider's answer is longer than %d bytes", name, limit)
		}
		known.Set(name, values[0])
	}
	return known, nil
}

// callbackOf makes the Broker's word of the parameters.
func callbackOf(redirectID string, p url.Values) keybearer.Callback {
	state, code := p.Get(paramState), p.Get(paramCode)
	told := func(name string, longest int) string { return clean(without(p.Get(name), state, code), longest) }
	return keybearer.Callback{
		RedirectID: redirectID,
		State:      secret.New(state), Code: secret.New(code),
		Error: told(paramError, 200), ErrorDescription: told(paramDescription, 500), ErrorURI: told(paramErrorURI, 500),
		Issuer: p.Get(paramIssuer), HasIssuer: p.Has(paramIssuer),
	}
}

// without takes secrets out of a text that will be shown: some servers repeat what they were sent.
func without(text string, secrets ...string) string {
	const shortest = 6 // shorter ones are no secrets, and might be any word
	for _, s := range secrets {
		if len(s) >= shortest {
			text = strings.ReplaceAll(text, s, "[removed]")
		}
	}
	return text
}

// clean makes foreign text fit to be shown and logged: valid UTF-8, on one line, without control
// characters, at most longest characters.
func clean(text string, longest int) string {
	var out strings.Builder
	n := 0
	for _, c := range strings.ToValidUTF8(text, "\ufffd") {
		if n == longest {
			out.WriteString("…")
			break
		}
		out.WriteRune(shown(c))
		n++
	}
	return strings.TrimSpace(out.String())
}

// shown replaces what a person cannot see, or what turns the direction of the text around it.
func shown(c rune) rune {
	switch {
	case c < ' ' || c >= 0x7f && c < 0xa0, c == '\u2028', c == '\u2029':
		return ' '
	case c == '\u061c', c >= '\u200e' && c <= '\u200f', c >= '\u202a' && c <= '\u202e', c >= '\u2066' && c <= '\u2069':
		return '\ufffd'
	}
	return c
}
