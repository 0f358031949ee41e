package atlassiantest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// DataCenter is a local Jira or Confluence Data Center: its OAuth 2.0 provider
// and a slice of its REST API. It is an http.Handler, safe for concurrent use.
type DataCenter struct {
	*providertest.Bench

	pages   pages
	mux     *http.ServeMux
	outside http.Handler

	mu       sync.Mutex // guards everything below
	config   DataCenterConfig
	pending  *ledger.Book[*linkRequest]
	codes    *ledger.Codes
	families *ledger.Families
	access   *ledger.Tokens
	pats     *ledger.Tokens
	redirect *ledger.Book[string] // by family: where its code was sent
	current  *ledger.Book[string] // by family: its one living access token
	desk     *desk
}

// NewDataCenter returns a Data Center product. It panics if the configuration
// contradicts itself, which is a mistake of the program that wrote it.
func NewDataCenter(c DataCenterConfig) *DataCenter {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		panic("atlassiantest: " + err.Error())
	}
	s := &DataCenter{
		Bench:  providertest.NewBench(c.Clock),
		config: c, pages: parsePages(), mux: http.NewServeMux(),
		pending:  ledger.NewBook[*linkRequest](1000),
		codes:    ledger.NewCodes(),
		access:   ledger.NewTokens(),
		pats:     ledger.NewTokens(),
		redirect: ledger.NewBook[string](50_000),
		current:  ledger.NewBook[string](50_000),
		families: &ledger.Families{Rotate: true, Mint: refreshToken},
		desk:     newDesk(),
	}
	s.follow()
	s.Decide(c.Decision)
	s.routes()
	return s
}

func (s *DataCenter) routes() {
	handle := func(pattern string, at providertest.Endpoint, work func(*providertest.Call) *providertest.Answer) {
		s.mux.Handle(pattern, s.Handle(at, func(c *providertest.Call) *providertest.Answer {
			s.mu.Lock()
			defer s.mu.Unlock()
			return work(c)
		}))
	}
	handle("GET /rest/oauth2/latest/authorize", providertest.Authorize, s.provided(s.authorize))
	handle("POST /rest/oauth2/latest/token", providertest.Token, s.provided(s.token))
	handle("GET /login.jsp", providertest.Consent, s.login)
	handle("POST /login.jsp", providertest.Consent, s.signIn)
	handle("GET /plugins/servlet/oauth2/consent", providertest.Consent, s.provided(s.askConsent))
	handle("POST /plugins/servlet/oauth2/consent", providertest.Consent, s.provided(s.decide))
	for pattern, work := range s.api() {
		handle(pattern, providertest.API, work)
	}
	handle("/", providertest.API, func(c *providertest.Call) *providertest.Answer { return notHere(c) })
	s.outside = s.Handle(providertest.API, func(*providertest.Call) *providertest.Answer {
		return providertest.HTML(http.StatusNotFound, "<!doctype html><title>HTTP Status 404 – Not Found</title><h1>HTTP Status 404 – Not Found</h1>")
	})
}

// provided keeps the OAuth 2.0 provider's paths from being there at all in an
// old product, or in one that is not reached over HTTPS.
func (s *DataCenter) provided(work func(*providertest.Call) *providertest.Answer) func(*providertest.Call) *providertest.Answer {
	return func(c *providertest.Call) *providertest.Answer {
		switch {
		case !s.config.hasProvider():
			c.Record.Reason = "version"
		case s.config.BaseHTTPS && c.Request.TLS == nil:
			c.Record.Reason = "base_https"
		default:
			return work(c)
		}
		return notHere(c)
	}
}

// notHere is what the product answers for a path that it does not have.
func notHere(c *providertest.Call) *providertest.Answer {
	return providertest.JSON(http.StatusNotFound, map[string]any{
		"message": "null for uri: " + c.Base() + c.Request.URL.Path, "status-code": http.StatusNotFound,
	})
}

// ServeHTTP serves the product below its context path. The control API is not
// part of it; see [DataCenter.Control].
func (s *DataCenter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below := s.contextPath()
	if below == "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	if !strings.HasPrefix(r.URL.Path, below+"/") {
		s.outside.ServeHTTP(w, r)
		return
	}
	http.StripPrefix(below, s.mux).ServeHTTP(w, r)
}

func (s *DataCenter) contextPath() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.config.ContextPath
}

// base is the product's base URL as the client reached it.
func (s *DataCenter) base(c *providertest.Call) string { return c.Base() + s.config.ContextPath }

// Link returns an application link as it is now, its secret included.
func (s *DataCenter) Link(id string) (Link, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link(id)
}

func (s *DataCenter) link(id string) (Link, bool) {
	i := slices.IndexFunc(s.config.Links, func(l Link) bool { return l.ID == id })
	if i < 0 {
		return Link{}, false
	}
	return s.config.Links[i], true
}

// Links returns all application links.
func (s *DataCenter) Links() []Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.config.Links)
}

// SetLink adds an application link or replaces the one with its id. Empty
// fields get their defaults.
func (s *DataCenter) SetLink(l Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l = l.withDefaults(s.config.Users[0].Name)
	if i := slices.IndexFunc(s.config.Links, func(old Link) bool { return old.ID == l.ID }); i >= 0 {
		s.config.Links[i] = l
		return
	}
	s.config.Links = append(s.config.Links, l)
}

func (s *DataCenter) user(name string) (User, bool) {
	i := slices.IndexFunc(s.config.Users, func(u User) bool { return u.Name == name || u.Email == name })
	if i < 0 || name == "" {
		return User{}, false
	}
	return s.config.Users[i], true
}

// RevokeGrant does what a user does on the page of authorized applications:
// every token of the link and the user ends. It reports whether there was a
// living refresh token among them.
func (s *DataCenter) RevokeGrant(link, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	killed := s.families.Kill("the user revoked the grant", func(f *ledger.Family) bool {
		return f.Client == link && f.User == user
	})
	s.access.Kill(func(a ledger.Access) bool { return a.Client == link && a.User == user })
	return len(killed) > 0
}

// DropAccessTokens makes every access token invalid at once, before its time;
// refresh tokens live on.
func (s *DataCenter) DropAccessTokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access.Kill(func(ledger.Access) bool { return true })
}

// IssuePAT makes a personal access token for a user, which lives for that long.
func (s *DataCenter) IssuePAT(user string, life time.Duration) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u, ok := s.user(user)
	if !ok {
		return "", fmt.Errorf("there is no user %q", user)
	}
	token, now := patToken(), s.Now()
	s.pats.Issue(token, ledger.Access{User: u.Name, Issued: now, Expires: now.Add(life)})
	return token, nil
}
