package main

import (
	"context"
	"errors"
	"net"
	"sync"
)

// relay is the way of one replica to the database, which can be cut and stalled.
type relay struct {
	listener net.Listener
	target   string
	end      context.CancelFunc
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool
	shut  bool          // new connections are closed at once
	gate  chan struct{} // closed while bytes may pass
}

func newRelay(ctx context.Context, target string) (*relay, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, end := context.WithCancel(ctx)
	r := &relay{listener: l, target: target, end: end, conns: map[net.Conn]bool{}, gate: make(chan struct{})}
	close(r.gate)
	r.work.Go(func() { r.accept(ctx) })
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) accept(ctx context.Context) {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		if !r.hold(near) {
			continue
		}
		r.work.Go(func() {
			defer r.drop(near)
			far, err := new(net.Dialer).DialContext(ctx, "tcp", r.target)
			if err != nil || !r.hold(far) {
				return
			}
			defer r.drop(far)
			var both sync.WaitGroup
			both.Go(func() { r.pump(ctx, near, far) })
			both.Go(func() { r.pump(ctx, far, near) })
			both.Wait()
		})
	}
}

// hold takes a connection in charge, unless the way is cut: then it is closed.
func (r *relay) hold(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shut {
		_ = c.Close()
		return false
	}
	r.conns[c] = true
	return true
}

func (r *relay) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	_ = c.Close()
}

// pump carries bytes one way until either end is closed; then it closes both.
func (r *relay) pump(ctx context.Context, from, to net.Conn) {
	defer func() { _, _ = from.Close(), to.Close() }()
	piece := make([]byte, 32<<10)
	for {
		n, err := from.Read(piece)
		if n > 0 {
			r.mu.Lock()
			gate := r.gate
			r.mu.Unlock()
			select {
			case <-gate:
			case <-ctx.Done():
				return
			}
			if _, err := to.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut breaks what is connected, and refuses what comes until mend.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = true
	for c := range r.conns {
		_ = c.Close()
	}
}

// stall holds back all bytes until mend.
func (r *relay) stall() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.gate:
		r.gate = make(chan struct{})
	default: // stalled already
	}
}

func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shut = false
	select {
	case <-r.gate:
	default:
		close(r.gate)
	}
}

func (r *relay) close() error {
	r.end()
	err := r.listener.Close()
	r.cut()
	r.work.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
