package workers

import (
	"net/http"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// idleLife is how long a connection is kept for the next call. Published workers end theirs after five seconds, and
	// of a call on one that ends at that moment nobody knows whether it arrived.
	idleLife    = 3 * time.Second
	idlePerHost = 64
)

// client is the configured one, made fit for calls of tools: how long they take is the worker's own affair, and a worker
// has no reason to send the engine elsewhere, with users' tokens. It has its connections for itself.
func (t *Toolbox) client(origin keybearer.Origin) *http.Client {
	client := *t.cfg.HTTP(origin)
	client.Timeout = 0
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	transport, ok := client.Transport.(*http.Transport)
	if client.Transport == nil {
		transport, ok = http.DefaultTransport.(*http.Transport)
	}
	if ok {
		transport = transport.Clone()
		transport.IdleConnTimeout, transport.MaxIdleConnsPerHost, transport.ResponseHeaderTimeout = idleLife, idlePerHost, 0
		client.Transport = transport
	}
	return &client
}
