package oauth

import "github.com/keybearer/keybearer/secret"

// CallbackError is what a provider's error parameters of the callback mean (RFC 6749 section 4.1.2.1).
// What the texts repeat of the given secrets (the state) is taken out of them.
func (d *Definition) CallbackError(code, description string, secrets ...secret.String) *Error {
	var hide hider
	for _, s := range secrets {
		hide.add(s.Reveal())
	}
	e := &Error{At: AtCallback, Code: hide.clean(code, maxCode), Description: hide.clean(description, maxDescription)}
	d.classify(e, false)
	return e
}

// IssuerFits reports whether an iss parameter of a callback names this provider: the configured
// issuer to the letter (RFC 9207 section 2.4), or, where none is configured, the origin of its
// authorization or token endpoint.
func (d *Definition) IssuerFits(issuer string) bool {
	if d.Issuer != "" {
		return issuer == d.Issuer
	}
	origin := originOf(issuer)
	return origin != "" && (origin == originOf(d.AuthorizeRequest.Endpoint) || origin == originOf(d.TokenRequest.Endpoint))
}
