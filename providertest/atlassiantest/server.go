package atlassiantest

import (
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// Server is a local Atlassian Cloud: auth.atlassian.com, api.atlassian.com and
// the sites at one address. It is an http.Handler, safe for concurrent use.
type Server struct {
	*providertest.Bench

	config Config
	pages  pages
	mux    *http.ServeMux
	hosts  map[string]string // host names of the sites, and their names

	mu       sync.Mutex // guards everything below
	apps     map[string]App
	accounts []Account
	sites    []Site
	pending  *ledger.Book[*request]
	codes    *ledger.Codes
	families *ledger.Families
	access   *ledger.Tokens
	// apiTokens are those of people and service accounts.
	apiTokens *ledger.Tokens
	desks     map[string]*desk // Jira's issues, by cloud id
	wikis     map[string]*wiki // Confluence's pages, by cloud id
	meter     meter
	grants    map[pair]*grant
	order     *mathrand.Rand
}

// New returns a server. It panics if the configuration contradicts itself,
// which is a mistake of the program that wrote it.
func New(c Config) *Server {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		panic("atlassiantest: " + err.Error())
	}
	s := &Server{
		Bench:  providertest.NewBench(c.Clock),
		config: c, pages: parsePages(), mux: http.NewServeMux(),
		apps: map[string]App{}, accounts: c.Accounts, sites: c.Sites,
		pending: ledger.NewBook[*request](1000),
		codes:   ledger.NewCodes(),
		access:  ledger.NewTokens(),
		hosts:   hostsOf(c.Sites), apiTokens: ledger.NewTokens(),
		desks: map[string]*desk{}, wikis: map[string]*wiki{}, meter: newMeter(),
		grants:   map[pair]*grant{},
		order:    mathrand.New(mathrand.NewPCG(c.Seed, 0)),
		families: &ledger.Families{Rotate: true, Mint: refreshToken},
	}
	s.follow()
	for _, site := range c.Sites {
		s.desks[site.ID], s.wikis[site.ID] = newDesk(), newWiki()
	}
	for _, app := range c.Apps {
		s.apps[app.ID] = app
	}
	s.Decide(c.Decision)
	s.routes()
	return s
}

func (c Config) check() error {
	untouched := c
	for _, k := range cloudKnobs() {
		if err := k.set(&untouched, k.get(&c)); err != nil {
			return fmt.Errorf("switch %s: %w", k.name, err)
		}
	}
	seen := map[string]bool{}
	for _, app := range c.Apps {
		if seen[app.ID] {
			return fmt.Errorf("there are two apps with the id %q", app.ID)
		}
		seen[app.ID] = true
	}
	for _, a := range c.ServiceAccounts {
		if seen[a.ClientID] {
			return fmt.Errorf("there are two clients with the id %q", a.ClientID)
		}
		seen[a.ClientID] = true
	}
	return nil
}

func (s *Server) routes() {
	handle := func(pattern string, at providertest.Endpoint, work func(*providertest.Call) *providertest.Answer) {
		s.mux.Handle(pattern, s.Handle(at, work))
	}
	handle("GET /authorize", providertest.Authorize, s.authorize)
	handle("POST /authorize/account", providertest.Consent, s.chooseAccount)
	handle("POST /authorize/consent", providertest.Consent, s.decide)
	handle("POST /oauth/token", providertest.Token, s.token)
	handle("GET /oauth/token/accessible-resources", providertest.Sites, s.resources)
	handle("GET /me", providertest.Userinfo, s.me)
	s.serveGateway()
}

// ServeHTTP serves Atlassian's hosts for login and API, and those of the
// sites: below /site/{name}/, and for requests that name them as their Host.
// The control API is not part of it; see [Server.Control].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, s.siteHost(r)) }

// App returns an app as it is now, its secret included.
func (s *Server) App(id string) (App, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, ok := s.apps[id]
	return app, ok
}

// Apps returns all apps, by id.
func (s *Server) Apps() []App {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []App
	for _, app := range s.apps {
		out = append(out, app)
	}
	slices.SortFunc(out, func(a, b App) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// Accounts returns the sample accounts.
func (s *Server) Accounts() []Account { return slices.Clone(s.accounts) }

// SetApp adds an app or replaces the one with its id: other callbacks, a
// rotated secret, other console scopes. Empty fields get their defaults.
func (s *Server) SetApp(app App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app = app.withDefaults()
	s.apps[app.ID] = app
}

// account finds a person by key, id or mail address.
func (s *Server) account(name string) (Account, bool) {
	for _, service := range s.config.ServiceAccounts {
		if a := service.Account; name != "" && (a.Key == name || a.ID == name || a.Email == name) {
			return a, true
		}
	}
	for _, a := range s.accounts {
		if name != "" && (a.Key == name || a.ID == name || a.Email == name) {
			return a, true
		}
	}
	return Account{}, false
}

// sitesOf lists the sites that an account can choose.
func (s *Server) sitesOf(a Account) []Site {
	var out []Site
	for _, site := range s.sites {
		if slices.Contains(site.Members, a.Key) {
			out = append(out, site)
		}
	}
	return out
}

// sentence answers in the gateway's shape.
func gateway(status int, message string) *providertest.Answer {
	return providertest.JSON(status, map[string]any{"code": status, "message": message})
}

// seconds is a lifetime as expires_in has it.
func seconds(d time.Duration) int64 { return int64(d / time.Second) }
