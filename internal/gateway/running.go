package gateway

import (
	"context"
	"net/http"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/auth"
)

// running are the calls that are on their way, by who made them and in which session. A session that its client ends takes its
// calls with it; the SDK alone would wait for them.
type running struct {
	mu     sync.Mutex
	calls  map[string]map[*context.CancelFunc]struct{}
	closed bool
}

// begin ties a call to its session. Call the function that it gives when the call is over.
func (r *running) begin(ctx context.Context, owner string) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		cancel()
	}
	if r.calls == nil {
		r.calls = map[string]map[*context.CancelFunc]struct{}{}
	}
	if r.calls[owner] == nil {
		r.calls[owner] = map[*context.CancelFunc]struct{}{}
	}
	r.calls[owner][&cancel] = struct{}{}
	return ctx, func() {
		cancel()
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.calls[owner], &cancel)
		if len(r.calls[owner]) == 0 {
			delete(r.calls, owner)
		}
	}
}

// end cancels the calls of one session.
func (r *running) end(owner string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for cancel := range r.calls[owner] {
		(*cancel)()
	}
}

// close cancels all calls, and those that would begin.
func (r *running) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, calls := range r.calls {
		for cancel := range calls {
			(*cancel)()
		}
	}
}

// ownerOf names a session of somebody.
func ownerOf(info *auth.TokenInfo, session string) string {
	if info == nil {
		return ""
	}
	return info.UserID + "\n" + session
}

// parting ends the calls of a session that its client gives up (DELETE).
func (s *server) parting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodDelete {
			s.door.running.end(ownerOf(auth.TokenInfoFromContext(req.Context()), req.Header.Get("Mcp-Session-Id")))
		}
		next.ServeHTTP(w, req)
	})
}
