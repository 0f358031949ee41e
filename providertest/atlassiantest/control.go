package atlassiantest

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// Control returns the control API: that of [providertest.Bench], and what an
// Atlassian account, site or app owner can do behind the client's back. It has
// no authentication, see there.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/control/", s.Bench.Control())
	controlSwitches(mux, s)
	mux.HandleFunc("GET /control/grants", func(w http.ResponseWriter, _ *http.Request) {
		providertest.Reply(w, http.StatusOK, s.listGrants())
	})
	mux.HandleFunc("POST /control/revoke", providertest.Command(func(in struct {
		App     string `json:"app"`
		Account string `json:"account"`
	},
	) (any, error) {
		if in.App == "" {
			in.App = s.config.Apps[0].ID
		}
		if !s.RevokeGrant(in.App, in.Account) {
			return nil, fmt.Errorf("app %q has no grant of account %q", in.App, in.Account)
		}
		return s.listGrants(), nil
	}))
	mux.HandleFunc("POST /control/password", providertest.Command(func(in struct {
		Account string `json:"account"`
	},
	) (any, error) {
		if _, ok := s.account(in.Account); !ok {
			return nil, fmt.Errorf("there is no account %q", in.Account)
		}
		s.ChangePassword(in.Account)
		return s.listGrants(), nil
	}))
	mux.HandleFunc("POST /control/drop-access", providertest.Command(func(struct{}) (any, error) {
		return map[string]int{"dropped": s.DropAccessTokens()}, nil
	}))
	mux.HandleFunc("POST /control/block", providertest.Command(func(in struct {
		Site    string `json:"site"`
		Blocked bool   `json:"blocked"`
	},
	) (any, error) {
		if !s.BlockApps(in.Site, in.Blocked) {
			return nil, fmt.Errorf("there is no site %q", in.Site)
		}
		return in, nil
	}))
	mux.HandleFunc("POST /control/join", s.commandOnSite(s.Join))
	mux.HandleFunc("POST /control/leave", s.commandOnSite(s.Leave))
	mux.HandleFunc("POST /control/api-token", providertest.Command(func(in struct {
		Account string   `json:"account"`
		Days    int      `json:"days"`
		Scopes  []string `json:"scopes"`
	},
	) (any, error) {
		if in.Days == 0 {
			in.Days = 365
		}
		token, err := s.IssueAPIToken(in.Account, time.Duration(in.Days)*24*time.Hour, in.Scopes...)
		return map[string]string{"token": token}, err
	}))
	return providertest.SameOrigin(mux)
}

// commandOnSite makes a command of what changes the sites of a grant.
func (s *Server) commandOnSite(change func(app, account, site string) bool) http.HandlerFunc {
	return providertest.Command(func(in struct {
		App     string `json:"app"`
		Account string `json:"account"`
		Site    string `json:"site"`
	},
	) (any, error) {
		if in.App == "" {
			in.App = s.config.Apps[0].ID
		}
		if !change(in.App, in.Account, in.Site) {
			return nil, fmt.Errorf("app %q has no grant of account %q, or there is no site %q", in.App, in.Account, in.Site)
		}
		return s.listGrants(), nil
	})
}

type listedGrant struct {
	App     string   `json:"app"`
	Account string   `json:"account"`
	Sites   []string `json:"sites"`
	Scopes  []string `json:"scopes"`
}

func (s *Server) listGrants() []listedGrant {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []listedGrant{}
	for p, g := range s.grants {
		list = append(list, listedGrant{p.app, p.account, slices.Clone(g.Sites), g.Scopes})
	}
	return list
}
