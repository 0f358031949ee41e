package child

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// relayDial bounds how long the proxy, which is on this machine as a rule, may take to accept.
const relayDial = 10 * time.Second

// maxHead bounds the head of a CONNECT request that is looked at.
const maxHead = 16 << 10

// relay carries connections from a listener in the child's network to the proxy in ours. All who can reach the
// listener are of this run, so those that do not know how to show the run's secret, like Java's, have it
// shown for them: it is added to the request for a tunnel. Nothing else is read or changed.
type relay struct {
	listener net.Listener
	proxy    string
	secret   string // the value of Proxy-Authorization, or ""
	cancel   context.CancelFunc
	carrying sync.WaitGroup
}

func newRelay(listener net.Listener, proxy *url.URL) *relay {
	ctx, cancel := context.WithCancel(context.Background())
	r := &relay{listener: listener, proxy: proxy.Host, cancel: cancel}
	if word, ok := proxy.User.Password(); ok {
		r.secret = "Basic " + base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+word))
	}
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
	r.introduce(to, from)
	pour(to, from)
	back.Wait()
}

// introduce passes the head of a request for a tunnel on, with the run's secret in it.
func (r *relay) introduce(to, from net.Conn) {
	if r.secret == "" {
		return
	}
	_, _ = to.Write(withSecret(from, r.secret)) // what failed fails again when the rest is poured
}

// withSecret reads the head of a request (RFC 9112) and gives it with the secret, if it is one for a tunnel
// and has none. It gives as it stands all that it has read of anything else.
func withSecret(from io.Reader, secret string) []byte {
	const tunnel, name = "CONNECT ", "\nproxy-authorization:"
	var head []byte
	for part := make([]byte, maxHead); len(head) < maxHead; {
		n, err := from.Read(part[:maxHead-len(head)])
		head = append(head, part[:n]...)
		begun := min(len(head), len(tunnel))
		if string(head[:begun]) != tunnel[:begun] {
			return head
		}
		if end := bytes.Index(head, []byte("\r\n\r\n")); end >= 0 {
			loose := bytes.Count(head[:end], []byte("\n")) != bytes.Count(head[:end], []byte("\r\n")) // where does it end?
			if loose || strings.Contains(strings.ToLower(string(head[:end])), name) {
				return head
			}
			return slices.Concat(head[:end], []byte("\r\nProxy-Authorization: "+secret), head[end:])
		}
		if err != nil {
			return head
		}
	}
	return head
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
