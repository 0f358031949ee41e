package atlassian

import (
	"net/url"
	"strings"

	"github.com/keybearer/keybearer/secret"
)

const maxPasted = 16 << 10 // bytes

// pasted is what came back at the callback, as far as the user has handed it over.
type pasted struct {
	code, state     secret.String
	bare            bool // the code alone
	refusal, reason string
	issuer          string
	hasIssuer       bool
}

// readPasted reads a whole callback URL, its query alone, or a bare code. No error holds a code or
// anything of a query.
func readPasted(text, callback string) (pasted, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > maxPasted {
		return pasted{}, bad("there is no code: give what is in the browser's address bar after the sign-in, the whole URL or the code from it, at most %d KiB", maxPasted>>10)
	}
	address, query, found := strings.Cut(text, "?")
	if found || strings.Contains(text, "://") {
		if address != "" {
			if err := sameCallback(address, callback); err != nil {
				return pasted{}, err
			}
		}
		return readCallback(query)
	}
	for _, name := range []string{"code=", "state=", "error="} {
		if strings.HasPrefix(text, name) {
			return readCallback(text)
		}
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || r == '&' }) { // RFC 6749 appendix A.11
		return pasted{}, bad("this is neither a code nor a callback URL: give what is in the browser's address bar after the sign-in")
	}
	return pasted{code: secret.New(text), bare: true}, nil
}

// sameCallback compares an address without its query. Browsers may hide the scheme.
func sameCallback(address, callback string) error {
	want, err := url.Parse(callback)
	if err != nil {
		return bad("CallbackURL cannot be read")
	}
	if !strings.Contains(address, "://") {
		address = want.Scheme + "://" + address
	}
	got, err := url.Parse(address)
	if err != nil {
		return bad("this URL cannot be read: copy the whole address from the browser")
	}
	if !strings.EqualFold(got.Scheme, want.Scheme) || plainHost(got) != plainHost(want) || strings.TrimRight(got.Path, "/") != strings.TrimRight(want.Path, "/") {
		return bad("this is not the callback URL but %s: finish the sign-in first, until the browser arrives at %s", shown(got), shown(want))
	}
	return nil
}

// readCallback reads the parameters of RFC 6749 section 4.1.2, each of which comes once.
func readCallback(query string) (pasted, error) {
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query)
	if err != nil {
		return pasted{}, bad("the parameters of the callback URL cannot be read: copy it once more, whole")
	}
	for _, name := range []string{"code", "state", "error", "iss"} {
		if len(values[name]) > 1 {
			return pasted{}, bad("the callback URL has %s twice: copy it once more, from the address bar", name)
		}
	}
	p := pasted{
		code: secret.New(values.Get("code")), state: secret.New(values.Get("state")),
		refusal: values.Get("error"), reason: values.Get("error_description"), issuer: values.Get("iss"), hasIssuer: values.Has("iss"),
	}
	if p.code.IsZero() && p.refusal == "" {
		return p, bad("the callback URL has neither a code nor an error: finish the sign-in first, then copy the address that the browser has arrived at")
	}
	return p, nil
}
