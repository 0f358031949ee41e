package proxy

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/url"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/ca"
	"github.com/keybearer/keybearer/secret"
)

// Source is where routes and tokens come from: the vault, or a client of a running engine, for one user.
// It must be safe for concurrent use.
type Source interface {
	Routes(ctx context.Context) ([]keybearer.Route, error)
	Token(ctx context.Context, ref keybearer.Ref, scopes ...string) (keybearer.Token, error)
	Renew(ctx context.Context, ref keybearer.Ref, refused secret.String) (keybearer.Token, error)
}

// Config is what a proxy is made of. Source and Authority have to be there.
type Config struct {
	Source    Source
	Authority *ca.Authority
	// Policy decides what agents may do; nil allows all that connections serve, and tunnels the rest.
	Policy Policy
	// Record takes the audit, when an answer has ended. It must not block; nil drops it.
	Record func(keybearer.Injection)
	// Ask is for what a policy wants confirmed, for two minutes at most; it returns when ctx is done. Nil
	// refuses.
	Ask func(ctx context.Context, q Question) (bool, error)
	// Refresh is asked, at most once a second, before a host is treated as one that no connection serves,
	// and before a connection is called dead: whether the routes have changed since they were read. So a
	// login that was made a moment ago is seen. The owner has [Proxy.Look] ask it now and then. Nil: only
	// [Proxy.Reload] brings news.
	Refresh func(ctx context.Context) (changed bool, err error)
	// Upstream names the proxy through which a URL is reached, as [http.ProxyFromEnvironment] does for a
	// request; nil or a nil URL: none. http, https and socks5.
	Upstream func(*url.URL) (*url.URL, error)
	// Private lets tunnels lead to private networks (RFC 1918, RFC 4193), as on the laptop of somebody whose
	// agent could go there by itself. Loopback, link-local and metadata addresses are not meant.
	Private bool
	// Roots are trusted for upstream TLS; nil means the system's.
	Roots *x509.CertPool
	// Log gets what operators want to know; nil drops it. Now is the clock; nil means [time.Now].
	Log *slog.Logger
	Now func() time.Time
}
