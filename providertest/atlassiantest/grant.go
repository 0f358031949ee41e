package atlassiantest

import (
	"slices"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// pair names a grant: there is exactly one per app and account.
type pair struct{ app, account string }

// grant is what an account allows an app. All tokens of the pair reach all of
// it, also what was added after they were issued.
type grant struct {
	Sites  []string // cloud ids
	Scopes []string
}

// consent adds sites to the grant of a pair; the scopes replace earlier ones.
func (s *Server) consent(app, account string, sites, scopes []string) {
	key := pair{app, account}
	g := s.grants[key]
	if g == nil {
		g = &grant{}
		s.grants[key] = g
	}
	for _, id := range sites {
		if !slices.Contains(g.Sites, id) {
			g.Sites = append(g.Sites, id)
		}
	}
	g.Scopes = scopes
}

// RevokeGrant does what a person does on the Connected apps page: the grant of
// the app and account ends with every token of it. It reports whether there
// was one.
func (s *Server) RevokeGrant(app, account string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := pair{app, account}
	_, had := s.grants[key]
	delete(s.grants, key)
	s.families.Kill("the user revoked the grant", func(f *ledger.Family) bool {
		return f.Client == app && f.User == account
	})
	s.access.Kill(func(a ledger.Access) bool { return a.Client == app && a.User == account })
	return had
}

// Join adds a site (by id or name) to a grant, as a consent to the same app
// elsewhere does: tokens that are out already reach it from now on. It reports
// whether there are such a grant and such a site.
func (s *Server) Join(app, account, site string) bool {
	return s.regrant(app, account, site, func(g *grant, id string) {
		if !slices.Contains(g.Sites, id) {
			g.Sites = append(g.Sites, id)
		}
	})
}

// Leave takes a site out of a grant; see [Server.Join].
func (s *Server) Leave(app, account, site string) bool {
	return s.regrant(app, account, site, func(g *grant, id string) {
		g.Sites = slices.DeleteFunc(slices.Clone(g.Sites), func(have string) bool { return have == id })
	})
}

func (s *Server) regrant(app, account, site string, change func(*grant, string)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grants[pair{app, account}]
	i := slices.IndexFunc(s.sites, func(have Site) bool { return have.ID == site || have.Name == site })
	if g == nil || i < 0 {
		return false
	}
	change(g, s.sites[i].ID)
	return true
}

// ChangePassword does what a password change does: every refresh token of the
// account dies, access tokens live on until they expire.
func (s *Server) ChangePassword(account string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families.Kill("the password was changed", func(f *ledger.Family) bool { return f.User == account })
}

// DropAccessTokens makes every access token invalid at once, before its time;
// refresh tokens live on.
func (s *Server) DropAccessTokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access.Kill(func(ledger.Access) bool { return true })
}

// BlockApps sets whether the administrator of a site (by id or name) blocks
// apps: a blocked site vanishes from accessible-resources and answers 404 at
// the gateway. It reports whether there is such a site.
func (s *Server) BlockApps(site string, blocked bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.sites {
		if s.sites[i].ID == site || s.sites[i].Name == site {
			s.sites[i].Blocked = blocked
			return true
		}
	}
	return false
}
