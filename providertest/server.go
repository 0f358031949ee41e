package providertest

import (
	"crypto/rand"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"sync"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// Server is an authorization server. It is an http.Handler with the paths
// /authorize, /token, /device_authorization, /device, /userinfo, /introspect,
// /revoke and the two well-known documents, and is safe for concurrent use.
type Server struct {
	*Bench

	config Config
	pages  *template.Template
	mux    *http.ServeMux

	mu       sync.Mutex // guards everything below
	clients  map[string]Client
	pending  *ledger.Book[*asked]
	codes    *ledger.Codes
	families *ledger.Families
	access   *ledger.Tokens
	devices  devices
}

// New returns a server. It panics if the configuration contradicts itself,
// which is a mistake of the program that wrote it.
func New(c Config) *Server {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		panic("providertest: " + err.Error())
	}
	s := &Server{
		Bench:  NewBench(c.Clock),
		config: c, pages: parsePages(), mux: http.NewServeMux(),
		clients: map[string]Client{},
		pending: ledger.NewBook[*asked](1000),
		codes:   ledger.NewCodes(),
		access:  ledger.NewTokens(),
		devices: newDevices(),
		families: &ledger.Families{
			Rotate: !c.NoRotation, Leeway: c.Leeway, Successor: c.Successor,
			Inactivity: c.Inactivity, Absolute: c.Absolute,
			Mint: func() string { return "test-refresh-" + rand.Text() },
		},
	}
	for _, client := range c.Clients {
		s.clients[client.ID] = client.withDefaults()
	}
	s.Decide(c.Decision)
	s.mux.Handle("GET /authorize", s.Handle(Authorize, s.authorize))
	s.mux.Handle("POST /authorize/login", s.Handle(Consent, s.login))
	s.mux.Handle("POST /authorize/consent", s.Handle(Consent, s.decide))
	s.mux.Handle("/token", s.Handle(Token, s.token))
	s.mux.Handle("/device_authorization", s.Handle(Device, s.authorizeDevice))
	s.mux.Handle("GET /device", s.Handle(Consent, s.devicePage))
	s.mux.Handle("POST /device", s.Handle(Consent, s.decideDevice))
	s.mux.Handle("/userinfo", s.Handle(Userinfo, s.userinfo))
	s.mux.Handle("/introspect", s.Handle(Introspect, s.introspect))
	s.mux.Handle("/revoke", s.Handle(Revoke, s.revoke))
	s.mux.Handle("GET /.well-known/openid-configuration", s.Handle(Discovery, s.metadata))
	s.mux.Handle("GET /.well-known/oauth-authorization-server", s.Handle(Discovery, s.metadata))
	return s
}

// ServeHTTP serves the endpoints. The control API is not part of it; see
// [Server.Control].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Running is a server that listens on loopback until its test ends.
type Running struct {
	*Server
	URL    string       // scheme, host and port, without a slash at the end
	Client *http.Client // trusts the server's certificate; follows redirects
}

// Start runs a server over plain HTTP for the length of a test.
func Start(t TB, c Config) *Running {
	t.Helper()
	s := New(c)
	url, client := s.Listen(t, s, false)
	return &Running{s, url, client}
}

// StartTLS is [Start] over TLS, with a certificate that only Client trusts.
func StartTLS(t TB, c Config) *Running {
	t.Helper()
	s := New(c)
	url, client := s.Listen(t, s, true)
	return &Running{s, url, client}
}

// Registered returns a client as it is now, its secret included.
func (s *Server) Registered(id string) (Client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[id]
	return c, ok
}

// Register adds a client or replaces the one with its id: a rotated secret,
// other redirect URIs. It returns the client with its secret.
func (s *Server) Register(c Client) Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c = c.withDefaults()
	s.clients[c.ID] = c
	return c
}

// Unregister forgets a client, as servers do that purge registrations. Its
// tokens stay until they expire, but nobody can refresh them.
func (s *Server) Unregister(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, id)
}

// RevokeUser ends every grant of a user, with all tokens, as the user does in
// the account settings.
func (s *Server) RevokeUser(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families.Kill("the user revoked the grant", func(f *ledger.Family) bool { return f.User == name })
	s.access.Kill(func(a ledger.Access) bool { return a.User == name })
}

// DropAccessTokens makes every access token invalid before its time and says
// how many that were; refresh tokens live on.
func (s *Server) DropAccessTokens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.access.Kill(func(ledger.Access) bool { return true })
}

// Control returns the control API: that of [Bench.Control], and what a user or
// an operator of the server can do behind the client's back.
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/control/", s.Bench.Control())
	mux.HandleFunc("POST /control/revoke", Command(func(in struct {
		User string `json:"user"`
	},
	) (any, error) {
		if _, ok := s.user(in.User); !ok {
			return nil, fmt.Errorf("there is no user %q", in.User)
		}
		s.RevokeUser(in.User)
		return in, nil
	}))
	mux.HandleFunc("POST /control/device", Command(func(in struct {
		UserCode string `json:"user_code"`
		User     string `json:"user"`
		Answer   string `json:"answer"`
	},
	) (any, error) {
		if in.Answer != "approve" && in.Answer != "decline" {
			return nil, fmt.Errorf("answer is %q, but it must be approve or decline", in.Answer)
		}
		return in, s.DecideDevice(in.UserCode, in.User, in.Answer == "approve")
	}))
	mux.HandleFunc("POST /control/drop-access", Command(func(struct{}) (any, error) {
		return map[string]int{"dropped": s.DropAccessTokens()}, nil
	}))
	return SameOrigin(mux)
}

// user finds a person by name.
func (s *Server) user(name string) (User, bool) {
	i := slices.IndexFunc(s.config.Users, func(u User) bool { return name != "" && u.Name == name })
	if i < 0 {
		return User{}, false
	}
	return s.config.Users[i], true
}

// issuer is the configured one, or where the client reached us.
func (s *Server) issuer(c *Call) string {
	if s.config.Issuer != "" {
		return s.config.Issuer
	}
	return c.Base()
}

// killFamily ends a family and the access tokens that came of it.
func (s *Server) killFamily(id, why string) {
	if id == "" {
		return
	}
	s.families.Kill(why, func(f *ledger.Family) bool { return f.ID == id })
	s.access.Kill(func(a ledger.Access) bool { return a.Family == id })
}

// refused answers an OAuth error and writes down the finer reason.
func refused(c *Call, status int, code, reason, description string) *Answer {
	c.Record.Error, c.Record.Reason = code, reason
	if c.Record.Outcome == Pending {
		c.Record.Outcome = Refused
	}
	return Fail(status, code, description)
}
