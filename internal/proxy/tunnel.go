package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"

	"github.com/keybearer/keybearer/internal/egress"
)

const (
	// idleBuffer is what a quiet tunnel holds in each direction, and firstBytes is after how many bytes it
	// is given to the kernel, which needs a pipe for each direction.
	idleBuffer = 4 << 10
	firstBytes = 64 << 10
)

// tunnel passes bytes between an agent and a host, untouched. It returns when they flow.
func (p *Proxy) tunnel(ctx context.Context, w http.ResponseWriter, to target, reach egress.Reach) *refusal {
	far, answer, err := p.dial(ctx, to, reach)
	if err != nil {
		return p.unreachable(to, err)
	}
	if !p.keep(far) {
		_ = far.Close()
		return closing()
	}
	near, early, err := p.takeOver(w)
	if err != nil {
		p.drop(far) // the agent is gone
		return nil
	}
	p.join(near, far, early, answer)
	return nil
}

// join runs the two directions of a tunnel in goroutines of their own, so that what the server held for the
// request is free. Both connections are kept, and dropped in the end.
func (p *Proxy) join(near, far net.Conn, early, answer []byte) {
	if !p.begin() {
		p.drop(near)
		p.drop(far)
		return
	}
	go func() {
		defer p.end()
		var back sync.WaitGroup
		back.Go(func() { pass(near, far, answer) })
		pass(far, near, early)
		back.Wait()
		p.drop(near)
		p.drop(far)
	}()
}

// pass copies one direction to its end, and tells the other side that it has ended. One that breaks off
// ends both.
func pass(to, from net.Conn, early []byte) {
	err := copyAll(to, from, early)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil && half.CloseWrite() == nil {
		return
	}
	_, _ = to.Close(), from.Close()
}

// copyAll begins with a small buffer, which is all that a quiet tunnel takes, and leaves what is large to
// io.Copy: between two TCP connections the bytes then stay in the kernel where it can splice.
func copyAll(to io.Writer, from io.Reader, early []byte) error {
	if len(early) > 0 {
		if _, err := to.Write(early); err != nil {
			return err
		}
	}
	buffer := make([]byte, idleBuffer)
	for total := 0; total < firstBytes; {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if total += n; n < len(buffer)/2 {
			total = 0 // a conversation
		}
	}
	_, err := io.Copy(to, from)
	return err
}
