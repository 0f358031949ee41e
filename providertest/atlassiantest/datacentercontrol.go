package atlassiantest

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// Control returns the control API: that of [providertest.Bench], the switches,
// and what users and administrators do behind the client's back. It has no
// authentication, see there.
func (s *DataCenter) Control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/control/", s.Bench.Control())
	controlSwitches(mux, s)
	mux.HandleFunc("POST /control/revoke", providertest.Command(func(in struct {
		Link string `json:"link"`
		User string `json:"user"`
	},
	) (any, error) {
		if in.Link == "" {
			in.Link = s.Links()[0].ID
		}
		if !s.RevokeGrant(in.Link, in.User) {
			return nil, fmt.Errorf("link %q has no grant of user %q", in.Link, in.User)
		}
		return in, nil
	}))
	mux.HandleFunc("POST /control/drop-access", providertest.Command(func(struct{}) (any, error) {
		return map[string]int{"dropped": s.DropAccessTokens()}, nil
	}))
	mux.HandleFunc("POST /control/pat", providertest.Command(func(in struct {
		User string `json:"user"`
		Days int    `json:"days"`
	},
	) (any, error) {
		if in.Days == 0 {
			in.Days = 90
		}
		token, err := s.IssuePAT(in.User, time.Duration(in.Days)*24*time.Hour)
		return map[string]string{"token": token}, err
	}))
	return providertest.SameOrigin(mux)
}

// Manual is a page of text for the person who started the product at base
// ("http://127.0.0.1:9199", without the context path): endpoints, links and
// users, and the control API if its base is given. It contains no secret.
func (s *DataCenter) Manual(base string, control ...string) string {
	switches := s.Switches()
	s.mu.Lock()
	defer s.mu.Unlock()
	base += s.config.ContextPath
	var b manual
	fmt.Fprintf(&b, "A local %s Data Center %s. Nothing here is real and nothing leaves this machine.\n", s.config.Product, s.config.Version)
	b.section("Endpoints")
	b.line("base URL", base)
	b.line("authorize", base+"/rest/oauth2/latest/authorize")
	b.line("token", base+"/rest/oauth2/latest/token")
	b.line("API", base+map[string]string{
		Jira: "/rest/api/2/myself", Confluence: "/rest/api/user/current", Bitbucket: "/rest/api/latest/application-properties",
	}[s.config.Product])
	b.section("Application links")
	for _, l := range s.config.Links {
		b.line(l.ID, "up to "+l.Scope+", redirects (exact): "+strings.Join(l.Redirects, " "))
	}
	b.section("Users (for Basic the password is the name)")
	for _, u := range s.config.Users {
		b.line(u.Name, u.FullName+", "+u.Level)
	}
	b.controls(control, switches)
	return b.String()
}
