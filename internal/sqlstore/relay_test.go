package sqlstore_test

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// relay stands between a DB and its server. It can fall silent, as a network does that drops what is
// sent, and it counts how often the client waits for the server.
type relay struct {
	net.Listener
	trips atomic.Int64 // times at which the client sent something after the server had

	mu     sync.Mutex
	silent chan struct{} // closed while everything passes
	conns  []net.Conn
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{Listener: l, silent: make(chan struct{})}
	close(r.silent)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", to)
			if err != nil {
				_ = client.Close()
				continue
			}
			r.mu.Lock()
			r.conns = append(r.conns, client, server)
			r.mu.Unlock()
			answered := new(atomic.Bool)
			all.Go(func() { r.carry(client, server, func() { answered.Store(true) }) })
			all.Go(func() {
				r.carry(server, client, func() {
					if answered.Swap(false) {
						r.trips.Add(1)
					}
				})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.speak()
		r.mu.Lock()
		for _, c := range r.conns {
			_ = c.Close()
		}
		r.mu.Unlock()
		all.Wait()
	})
	return r
}

// carry copies what one end sends to the other, and calls passing before each piece.
func (r *relay) carry(to, from net.Conn, passing func()) {
	defer to.Close()
	piece := make([]byte, 64<<10)
	for {
		n, err := from.Read(piece)
		r.mu.Lock()
		silent := r.silent
		r.mu.Unlock()
		<-silent
		if n > 0 {
			passing()
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// hush lets nothing through any more, and speak everything again.
func (r *relay) hush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.silent = make(chan struct{})
}

func (r *relay) speak() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.silent:
	default:
		close(r.silent)
	}
}
