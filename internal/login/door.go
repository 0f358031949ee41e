// Package login is the door of a login from a person's own terminal: a listener on loopback for as long as the
// login takes, to which the provider sends the browser back (RFC 8252 section 7.3), and where a form asks for
// what is not to be typed into a terminal.
//
// It owns the listener, the form and the opening of a browser. The pages on the way are those of package pages,
// the flow is the Broker's.
package login

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/pages"
)

// DefaultPort is where logins come back to. It does not change from login to login, since most providers want the
// whole redirect URI registered.
const DefaultPort = 7998

const (
	host           = "127.0.0.1"
	callbackPath   = "/callback"
	pagesCallback  = "/api/v1/oauth/callback"
	headerTimeout  = 10 * time.Second
	maxHeaderBytes = 64 << 10
)

// Callback is the redirect URI of logins on a port, to be registered at providers.
func Callback(port int) string {
	return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) + callbackPath
}

// Door is an open listener on loopback. Close it after use.
type Door struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup

	mu    sync.Mutex
	pages http.Handler
	forms map[string]*asked
}

// Open begins to listen on a port of loopback; 0 takes a free one. Kind: Conflict where the port is taken.
func Open(ctx context.Context, port int) (*Door, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return nil, keybearer.Errorf(keybearer.Conflict,
			"port %d, where the provider sends the browser back to, is taken: %w. Another login may be waiting: finish it or stop it. "+
				"With --port another one is used, which has to be registered at the provider", port, err)
	}
	d := &Door{listener: l, forms: map[string]*asked{}}
	d.server = &http.Server{Handler: http.HandlerFunc(d.serve), ReadHeaderTimeout: headerTimeout, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	d.serving.Go(func() { _ = d.server.Serve(l) }) // always says that it was closed
	return d, nil
}

// Port is the one that it listens on.
func (d *Door) Port() int { return d.listener.Addr().(*net.TCPAddr).Port }

// URL is where a browser on this machine reaches it.
func (d *Door) URL() string { return "http://" + d.listener.Addr().String() }

// Callback is its redirect URI.
func (d *Door) Callback() string { return Callback(d.Port()) }

// Serve shows the pages of a Broker whose PublicURL is the door's URL.
func (d *Door) Serve(b *keybearer.Broker, log *slog.Logger) {
	shown := pages.New(pages.Config{Broker: b, PublicURL: d.URL(), Log: log})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pages = shown
}

// serve answers those only who call this machine by its address: a page of another site that makes its own name
// lead here (DNS rebinding) does not.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) {
	if r.Host != d.listener.Addr().String() && r.Host != net.JoinHostPort("localhost", strconv.Itoa(d.Port())) {
		http.Error(w, "This address is for this machine only.", http.StatusMisdirectedRequest)
		return
	}
	if token, ok := strings.CutPrefix(r.URL.Path, formPath); ok {
		d.form(w, r, token)
		return
	}
	d.mu.Lock()
	shown := d.pages
	d.mu.Unlock()
	if shown == nil {
		http.Error(w, "The login has not begun yet: reload this page in a moment.", http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path == callbackPath {
		r = r.Clone(r.Context())
		r.URL.Path = pagesCallback
	}
	shown.ServeHTTP(w, r)
}

// Close stops listening, after the pages that are under way.
func (d *Door) Close(ctx context.Context) error {
	err := d.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, d.server.Close())
	}
	d.serving.Wait()
	if err != nil {
		return fmt.Errorf("closing the login's listener: %w", err)
	}
	return nil
}
