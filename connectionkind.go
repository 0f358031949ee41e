package keybearer

import (
	"time"
)

// ConnectionKind says what a connection rests on: a person's consent, or a credential that somebody
// made at the provider and gave to the engine.
type ConnectionKind string

// The kinds. A stored kind that this engine does not know is treated as a token that is given.
const (
	// Consented: a person's consent by the authorization code grant.
	Consented ConnectionKind = ""
	// APIToken is a person's API token, sent as Basic with the account's e-mail address. At Atlassian Cloud it
	// goes to the site itself, and reaches all that its owner does.
	APIToken ConnectionKind = "api_token"
	// ScopedAPIToken is an API token that was made with scopes, a person's or a service account's. At Atlassian
	// Cloud it goes through the gateway (api.atlassian.com/ex/…) only.
	ScopedAPIToken ConnectionKind = "scoped_api_token"
	// PersonalAccessToken is sent as Bearer: those of Data Center, and Bitbucket's access tokens of a repository,
	// project or workspace.
	PersonalAccessToken ConnectionKind = "personal_access_token"
	// APIKey is a key that is presented as the provider's definition says (api.header): OpenAI, Anthropic.
	APIKey ConnectionKind = "api_key"
	// ServiceAccount is an id and a secret, with which tokens are asked for (RFC 6749 section 4.4).
	ServiceAccount ConnectionKind = "service_account"
)

// ConnectionKinds lists the kinds that a credential can be given for.
func ConnectionKinds() []ConnectionKind {
	return []ConnectionKind{APIToken, ScopedAPIToken, PersonalAccessToken, APIKey, ServiceAccount}
}

// String is the kind's name on the wire: that of Consented is oauth2.
func (k ConnectionKind) String() string {
	if k == Consented {
		return "oauth2"
	}
	return string(k)
}

// isToken reports whether what was given is itself the token, for which there is no other until
// somebody makes one.
func (k ConnectionKind) isToken() bool { return k != Consented && k != ServiceAccount }

// isBasic reports whether the token is sent as Basic, with a user name.
func (k ConnectionKind) isBasic() bool { return k == APIToken || k == ScopedAPIToken }

// noun is what people call it.
func (k ConnectionKind) noun() string {
	switch k {
	case APIToken, ScopedAPIToken:
		return "API token"
	case PersonalAccessToken:
		return "personal access token"
	case APIKey:
		return "API key"
	case ServiceAccount:
		return "service account"
	}
	return "token"
}

// remedy is what to do about one that has ended.
func (k ConnectionKind) remedy() string {
	if k == Consented {
		return "authorize again"
	}
	return "make a new " + k.noun() + " at the provider and store it: keybearer connection add, or POST /v1/admin/user_connections"
}

// overSince is why a token that was given has ended.
func (k ConnectionKind) overSince(end time.Time) string {
	return "the " + k.noun() + " was valid until " + end.UTC().Format(time.RFC3339)
}
