package atlassiantest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// RevokeGrant does what a person does who takes the consumer's access back: all
// tokens of the two end. It reports whether there were any.
func (s *BitbucketCloud) RevokeGrant(consumer, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	killed := s.families.Kill("the user revoked the grant", func(f *ledger.Family) bool {
		return f.Client == consumer && f.User == account
	})
	s.access.Kill(func(a ledger.Access) bool { return a.Client == consumer && a.User == account })
	return len(killed) > 0
}

// DropAccessTokens makes every access token invalid at once; refresh tokens
// live on. It says how many that were.
func (s *BitbucketCloud) DropAccessTokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access.Kill(func(ledger.Access) bool { return true })
}

// Control returns the control API: that of [providertest.Bench], the switches,
// and what people do behind the client's back. It has no authentication, see
// there.
func (s *BitbucketCloud) Control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/control/", s.Bench.Control())
	controlSwitches(mux, s)
	mux.HandleFunc("POST /control/revoke", providertest.Command(func(in struct {
		Consumer string `json:"consumer"`
		Account  string `json:"account"`
	},
	) (any, error) {
		if in.Consumer == "" {
			in.Consumer = s.Consumers()[0].Key
		}
		if !s.RevokeGrant(in.Consumer, in.Account) {
			return nil, fmt.Errorf("consumer %q has no grant of account %q", in.Consumer, in.Account)
		}
		return in, nil
	}))
	mux.HandleFunc("POST /control/drop-access", providertest.Command(func(struct{}) (any, error) {
		return map[string]int{"dropped": s.DropAccessTokens()}, nil
	}))
	return providertest.SameOrigin(mux)
}

// Manual is a page of text for the person who started the server at base: its
// endpoints, consumers and accounts, and the control API if its base is given.
// It contains no secret.
func (s *BitbucketCloud) Manual(base string, control ...string) string {
	switches := s.Switches()
	s.mu.Lock()
	defer s.mu.Unlock()
	var b manual
	b.WriteString("A local Bitbucket Cloud. Nothing here is real and nothing leaves this machine.\n")
	b.section("Endpoints")
	b.line("authorize", base+"/site/oauth2/authorize")
	b.line("token", base+"/site/oauth2/access_token")
	b.line("API", base+"/2.0/user")
	b.section("Consumers (HTTP Basic)")
	for _, c := range s.config.Consumers {
		b.line(c.Key, strings.Join(c.Scopes, " ")+", callback: "+c.Callback)
	}
	b.section("Accounts (no passwords)")
	for _, a := range s.config.Accounts {
		b.line(a.Key, a.Name+", "+a.Email)
	}
	b.controls(control, switches)
	return b.String()
}
