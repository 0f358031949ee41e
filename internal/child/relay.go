package child

import (
	"context"
	"io"
	"net"
	"sync"
	"time"
)

// relayDial bounds how long the proxy, which is on this machine as a rule, may take to accept.
const relayDial = 10 * time.Second

// relay carries connections from a listener in the child's network to the proxy in ours. It reads
// nothing of them.
type relay struct {
	listener net.Listener
	proxy    string
	cancel   context.CancelFunc
	carrying sync.WaitGroup
}

func newRelay(listener net.Listener, proxy string) *relay {
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{listener: listener, proxy: proxy, cancel: cancel}
	r.carrying.Go(func() { r.accept(ctx) })
	return r
}

// close ends all connections, and waits until nothing is left of them.
func (r *relay) close() {
	r.cancel()
	_ = r.listener.Close()
	r.carrying.Wait()
}

func (r *relay) accept(ctx context.Context) {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // closed: a listener on loopback has no other reason that would pass
		}
		r.carrying.Go(func() { r.carry(ctx, conn) })
	}
}

func (r *relay) carry(ctx context.Context, from net.Conn) {
	defer from.Close()
	dialer := net.Dialer{Timeout: relayDial}
	to, err := dialer.DialContext(ctx, "tcp", r.proxy)
	if err != nil {
		return // the child sees its connection end, as it would if it had dialled itself
	}
	defer to.Close()
	stop := context.AfterFunc(ctx, func() { from.Close(); to.Close() })
	defer stop()

	var back sync.WaitGroup
	back.Go(func() { pour(from, to) })
	pour(to, from)
	back.Wait()
}

// pour copies until the end, and passes the end on, so that a half-closed connection stays one.
func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}
