package tool

import (
	"fmt"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/api"
)

// Requirement is a user's authorization at a provider, with scopes.
type Requirement struct {
	// ID is the operator's id of a provider; Type its well-known type. One of them is set.
	ID, Type string
	Scopes   []string
	// Hosts are those that the token may be sent to by [Call.HTTP]: "api.example.com", "*.example.com". None means any host but this
	// machine over TLS, one for each request: the token does not follow a redirect to another. This machine is there where it is
	// declared ("localhost", "127.0.0.1"), and then over plain http, too.
	Hosts []string
}

// Provider is a requirement at the provider that the operator calls id.
func Provider(id string, scopes ...string) Requirement { return Requirement{ID: id, Scopes: scopes} }

// ProviderType is a requirement at the operator's provider of a well-known type, such as "github".
func ProviderType(kind string, scopes ...string) Requirement {
	return Requirement{Type: kind, Scopes: scopes}
}

// Atlassian is a requirement at Atlassian Cloud. Its token goes to Atlassian's hosts only.
func Atlassian(scopes ...string) Requirement {
	return Requirement{
		Type: "atlassian", Scopes: scopes,
		Hosts: []string{"api.atlassian.com", "*.atlassian.net", "*.jira.com", "api.atlassian-us-gov-mod.com", "*.atlassian-us-gov-mod.net"},
	}
}

// At limits the hosts that the token may be sent to.
func (r Requirement) At(hosts ...string) Requirement {
	r.Hosts = append(slices.Clone(r.Hosts), hosts...)
	return r
}

// Requires has the tool handed a user's token: see [Call.Token] and [Call.HTTP].
func Requires(r Requirement) Option {
	return func(t *Tool) error {
		switch {
		case t.requires != nil:
			return fmt.Errorf("Requires: one authorization is all that a tool can have")
		case (r.ID == "") == (r.Type == ""):
			return fmt.Errorf("Requires: the provider is named by its id or by its type, one of them")
		}
		t.requires = &r
		return nil
	}
}

// wire is the requirement in the words of the protocol.
func (r *Requirement) wire() *api.Requirement {
	if r == nil {
		return nil
	}
	return &api.Requirement{ID: r.ID, ProviderID: r.Type, ProviderType: "oauth2", OAuth2: api.RequirementOAuth2{Scopes: r.Scopes}}
}

// allows reports whether the token may be sent to a host.
func (r *Requirement) allows(host string) bool {
	if r == nil || len(r.Hosts) == 0 {
		return !thisMachine(host)
	}
	host = strings.ToLower(host)
	return slices.ContainsFunc(r.Hosts, func(pattern string) bool {
		if parent, ok := strings.CutPrefix(pattern, "*"); ok {
			return strings.HasSuffix(host, strings.ToLower(parent)) && len(host) > len(parent)
		}
		return strings.EqualFold(pattern, host)
	})
}
