package atlassian

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// Why there is no token, for [errors.Is]. The errors have a [keybearer.Kind], too, and say what to do.
var (
	// ErrNotConnected: nobody has signed in yet. Its kind is NotFound.
	ErrNotConnected = errors.New("no access token configured: call Start, let the user open the URL, then call Complete")
	// ErrNoRefreshToken: the token has ended, and there is none to renew it with. Its kind is Reauthorize.
	ErrNoRefreshToken = errors.New("no refresh token configured: the access token has ended; call Start and Complete again")
)

// Client is one connection to one product: it signs in once, keeps the token fresh from then on, and
// carries requests to the product's API. It is safe for concurrent use. Close it after use.
//
// Several clients may share a [Store]; each expiry then costs one refresh, whichever of them finds it. The
// rules of refreshing are those of [keybearer.Broker], which does the work: a rotated refresh token is
// stored before its access token is used, a refresh that was broken off is settled, and a failure that may
// pass costs no grant.
//
// Errors have a [keybearer.Kind]: BadRequest for arguments, NotFound and Reauthorize where somebody has to
// sign in, ProviderRefused where the operator has to repair something, ProviderAway and Unavailable for
// what may pass. Refusals of the provider are an [*oauth.Error], those of an API a [*Failure], which have the
// status. No error holds a token, code, state, verifier or secret.
type Client struct {
	cfg    Config
	broker *keybearer.Broker
	view   *keybearer.View
	rows   *rows
	logins *logins
	api    *http.Client

	fresh  atomic.Pointer[keybearer.Token] // the token in use; its ExpiresAt is zero where there is none
	vain   atomic.Pointer[secret.String]   // a renewed token that was refused at once
	chosen atomic.Pointer[Site]            // its ID is empty where none is
	rate   atomic.Pointer[RateLimit]       // nil until an answer speaks of it
	asking asking
}

// New checks a configuration and makes a Client. It asks nobody. Kind: BadRequest.
func New(cfg Config) (*Client, error) {
	cfg, err := cfg.settled()
	if err != nil {
		return nil, err
	}
	transport, err := cfg.Network.transport()
	if err != nil {
		return nil, err
	}
	ring, err := seal.NewKeyring(seal.Key{ID: "process", Secret: keybearer.NewBrowserSecret()})
	if err != nil {
		return nil, err
	}
	definition := cfg.definition()
	provider := keybearer.Provider{
		Project: keybearer.DefaultProject, ID: keybearer.ProviderID(string(cfg.Product) + "-" + string(cfg.Deployment)),
		Status: keybearer.ProviderActive, Origin: keybearer.FromFile, ClientID: cfg.ClientID, Settings: definition,
	}
	if provider.ClientSecret, err = ring.Seal([]byte(cfg.ClientSecret.Reveal()), provider.SecretPlace()); err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg}
	c.rows = &rows{
		store: cfg.Store, sealer: ring, now: cfg.Now, client: cfg.ClientID, endpoint: definition.TokenRequest.Endpoint,
		ref: keybearer.Ref{Project: keybearer.DefaultProject, User: "user", Provider: provider.ID},
	}
	memory := keybearer.NewMemoryClock(cfg.Now)
	c.logins = &logins{Memory: memory}
	c.broker, err = keybearer.New(keybearer.Config{
		Connections: c.rows, Leases: c.rows, Flows: c.logins, Attempts: memory,
		Sealer: ring, Static: []keybearer.Provider{provider},
		HTTP:      func(keybearer.Origin) *http.Client { return &http.Client{Transport: transport} },
		AllowHTTP: cfg.Network.AllowHTTP, PublicURL: cfg.CallbackURL, Callback: cfg.CallbackURL,
		Verification: keybearer.Verification{UnsafeSkip: true}, // there is one user, who holds the link
		FlowLife:     cfg.LoginLife, Log: cfg.Log, Now: cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	c.view = c.broker.As(keybearer.Caller{Name: "atlassian", Admin: true})
	c.api = &http.Client{
		Transport: &carrier{c, transport}, Timeout: cfg.Network.timeout(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	c.forget()
	for _, warning := range c.warnings() {
		cfg.Log.Warn(warning)
	}
	return c, nil
}

func (c *Client) warnings() []string {
	var out []string
	if c.cfg.Deployment == Cloud {
		out = CheckScopes(c.cfg.Scopes)
	}
	if c.cfg.Network.InsecureSkipVerify {
		out = append(out, "every certificate is believed: whoever is in between reads the client secret and the tokens")
	}
	return out
}

// Close waits for a refresh or an exchange that is going on, whose result must not be lost, until ctx ends.
// What a failing store has refused is tried once more; the error says if it is lost.
func (c *Client) Close(ctx context.Context) error { return c.broker.Close(ctx) }

// Config gives the configuration in force, defaults included.
func (c *Client) Config() Config { return c.cfg }

// Status says how a connection stands.
type Status struct {
	// Connected: there is a grant that is believed to be alive.
	Connected bool
	// Reason says why it is not, where it was and has ended.
	Reason string
	// Scopes are what was granted, sorted.
	Scopes []string
	// ExpiresAt is when the access token ends. Refreshes says whether it is renewed then.
	ExpiresAt time.Time
	Refreshes bool
	// ConsentedAt is when somebody consented, to the second; zero if that is not known, as after a move. An
	// earlier text of Atlassian's ends every grant of Cloud 365 days later.
	ConsentedAt time.Time
}

// Status reads what is stored. Nobody is asked, so a grant that was taken back counts as connected:
// [Client.TestConnection] finds out.
func (c *Client) Status(ctx context.Context) (Status, error) {
	row, err := c.rows.Connection(ctx, c.rows.ref)
	if errors.Is(err, keybearer.NotFound) {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, err
	}
	g, err := keybearer.OpenGrant(c.rows.sealer, &row)
	if err != nil {
		return Status{}, err
	}
	return Status{
		Connected: row.State == keybearer.ConnectionActive, Reason: row.Reason, Scopes: row.Scopes,
		ExpiresAt: row.ExpiresAt, Refreshes: row.Refreshable, ConsentedAt: g.ConsentedAt,
	}, nil
}

// Forget drops the stored tokens. They are not revoked, since Atlassian has no way for apps to do that: the
// user removes the app under Connected apps, or on Data Center under authorized applications.
func (c *Client) Forget(ctx context.Context) error {
	row, err := c.rows.Connection(ctx, c.rows.ref)
	if errors.Is(err, keybearer.NotFound) {
		return nil
	}
	if err == nil {
		err = c.view.Disconnect(ctx, row.ID)
	}
	c.forget()
	if errors.Is(err, keybearer.NotFound) {
		return nil
	}
	return err
}

// forget drops what is remembered of the connection. The pointers are new ones, so that whoever is about to
// remember something older loses.
func (c *Client) forget() {
	c.fresh.Store(&keybearer.Token{})
	c.chosen.Store(&Site{})
}
