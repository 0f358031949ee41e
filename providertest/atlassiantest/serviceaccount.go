package atlassiantest

import (
	"crypto/rand"
	"net/http"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// ServiceAccount is an account without a person. It signs in with an OAuth 2.0
// credential and the grant client_credentials, or with API tokens that have
// scopes; see [Server.IssueAPIToken].
type ServiceAccount struct {
	Account          Account
	ClientID, Secret string   // of the credential; an empty secret is generated, see [Server.ServiceAccounts]
	Scopes           []string // of the credential; default: [DefaultScopes]
	Sites            []string // names of the sites that an administrator gave it access to
}

// DefaultServiceAccount may work at the tea house.
func DefaultServiceAccount() ServiceAccount {
	return ServiceAccount{
		Account:  Account{Key: "robot", ID: "712020:5a0d0000-0000-4000-8000-0000000080b0", Name: "Robot", Email: "robot@serviceaccount.example.com", TimeZone: "Etc/UTC"},
		ClientID: "sandbox-service", Sites: []string{"sandbox-teahouse"},
	}
}

func (a ServiceAccount) withDefaults() ServiceAccount {
	a.Scopes, a.Sites = slices.Clone(a.Scopes), slices.Clone(a.Sites)
	if a.Secret == "" {
		a.Secret = rand.Text()
	}
	if a.Scopes == nil {
		a.Scopes = DefaultScopes()
	}
	return a
}

// ServiceAccounts returns the service accounts, their secrets included.
func (s *Server) ServiceAccounts() []ServiceAccount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.config.ServiceAccounts)
}

// serve is the grant client_credentials: an access token and no refresh token.
// The scope parameter narrows it to some of the credential's scopes.
func (s *Server) serve(c *providertest.Call, service ServiceAccount) *providertest.Answer {
	scopes := unique(slices.Clone(service.Scopes))
	if asked := unique(strings.Fields(c.Get("scope"))); len(asked) > 0 {
		if !covers(scopes, asked) {
			return refuse(c, http.StatusBadRequest, "invalid_scope", "scope", "The credential does not have these scopes.")
		}
		scopes = asked
	}
	c.Record.User = service.Account.Key
	return s.answerToken(ledger.Access{Client: service.ClientID, User: service.Account.Key, Scopes: scopes}, service.Account, "")
}
