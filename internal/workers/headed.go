package workers

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/keybearer/keybearer"
)

// headed puts a worker's headers on requests, with secrets in them, and bounds what comes back.
type headed struct {
	next    http.RoundTripper
	headers map[string]string
	secrets keybearer.WorkerSecrets
	limit   int64
}

func (h *headed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range h.headers {
		r.Header.Set(name, h.secrets.Expand(value).Reveal())
	}
	next := h.next
	if next == nil {
		next = http.DefaultTransport
	}
	ctx, connected := traced(r.Context())
	response, err := next.RoundTrip(r.WithContext(ctx))
	if err != nil && !connected.Load() {
		return nil, fmt.Errorf("%w: %w", errUnsent, err)
	}
	if err == nil && r.Method == http.MethodPost { // the stream of a GET has no end, and its events have a bound each
		response.Body = &bounded{ReadCloser: response.Body, left: h.limit}
	}
	return response, err
}

// CloseIdleConnections is for the client's.
func (h *headed) CloseIdleConnections() {
	if next, ok := h.next.(interface{ CloseIdleConnections() }); ok {
		next.CloseIdleConnections()
	}
}

// errUnsent is a request of which nothing can have reached the server.
var errUnsent = errors.New("there is no connection")

// bounded is a body that fails beyond its bound.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
