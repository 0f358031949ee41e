// Package login is the door of a login from a person's own terminal: a listener on loopback for as long as the
// login takes, to which the provider sends the browser back (RFC 8252 section 7.3), and where a form asks for
// what is not to be typed into a terminal.
//
// It owns the listener, the form and the opening of a browser. The pages on the way are those of package pages,
// the flow is the Broker's.
package login

import (
	"cmp"
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
	backPath       = "/back"
	successPath    = "/success"
	pagesCallback  = "/api/v1/oauth/callback"
	headerTimeout  = 10 * time.Second
	maxHeaderBytes = 64 << 10
	closeTime      = 300 * time.Millisecond
)

// Callback is the redirect URI of logins on a port, to be registered at providers.
func Callback(port int) string { return URL(port) + callbackPath }

// URL is where a browser on this machine reaches the door of a port.
func URL(port int) string { return "http://" + net.JoinHostPort(host, strconv.Itoa(port)) }

// Door is an open listener on loopback. Close it after use.
type Door struct {
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup

	owed owed

	mu    sync.Mutex
	pages http.Handler
	back  string
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
func (d *Door) URL() string { return URL(d.Port()) }

// Back is an address for a flow's NextURI: it leads to where [Door.Serve] was told to, or else to the page that says
// that all is done. A flow that outlives the page from which it began leads nowhere else.
func (d *Door) Back() string { return d.URL() + backPath }

// Callback is its redirect URI.
func (d *Door) Callback() string { return Callback(d.Port()) }

// Serve shows the pages of a Broker whose PublicURL is the door's URL. Where something went wrong they lead to back,
// the page from which the person came, or nowhere if that is "".
func (d *Door) Serve(b *keybearer.Broker, back string, log *slog.Logger) {
	shown := pages.New(pages.Config{Broker: b, PublicURL: d.URL(), Back: back, BackText: "Back to your connections", Log: log})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pages, d.back = shown, back
}

// serve answers those only who call this machine by its address: a page of another site that makes its own name
// lead here (DNS rebinding) does not.
func (d *Door) serve(w http.ResponseWriter, r *http.Request) {
	if r.Host != d.listener.Addr().String() && r.Host != net.JoinHostPort("localhost", strconv.Itoa(d.Port())) {
		http.Error(w, "This address is for this machine only.", http.StatusMisdirectedRequest)
		return
	}
	path := r.URL.Path
	d.owed.asked()
	defer func() { d.owed.served(path, w.Header()) }()
	if token, ok := strings.CutPrefix(path, formPath); ok {
		d.form(w, r, token)
		return
	}
	d.mu.Lock()
	shown, back := d.pages, d.back
	d.mu.Unlock()
	if shown == nil {
		http.Error(w, "The login has not begun yet: reload this page in a moment.", http.StatusServiceUnavailable)
		return
	}
	switch path {
	case backPath:
		w.Header().Set("Location", cmp.Or(back, successPath))
		w.WriteHeader(http.StatusSeeOther)
		return
	case callbackPath:
		r = r.Clone(r.Context())
		r.URL.Path = pagesCallback
	}
	shown.ServeHTTP(w, r)
}

// Close stops listening, after the pages that are under way, and after the one to which a browser that has come back
// was sent.
func (d *Door) Close(ctx context.Context) error {
	d.owed.settle(ctx)
	quick, cancel := context.WithTimeout(ctx, closeTime)
	defer cancel()
	err := d.server.Shutdown(quick)
	if errors.Is(err, context.DeadlineExceeded) { // browsers open connections ahead, which look like requests to come
		err = d.server.Close()
	}
	d.serving.Wait()
	if err != nil {
		return fmt.Errorf("closing the login's listener: %w", err)
	}
	return nil
}
