package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
)

// switchProtocols passes bytes between an agent and an upstream that have left HTTP, as WebSocket does. It
// returns when both directions have ended.
func (x *exchange) switchProtocols(res *http.Response) {
	far, ok := res.Body.(io.ReadWriteCloser)
	if !ok || x.upgrade() == "" { // which nobody asked for
		_ = res.Body.Close()
		x.broken = io.ErrUnexpectedEOF
		return
	}
	near, both, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		_ = far.Close()
		x.broken = err
		return
	}
	end := &ends{near: near, far: far}
	if !x.p.begin() || !x.p.keep(near) {
		end.close()
		return
	}
	defer x.p.end()
	defer x.p.drop(near)
	if err := writeSwitch(near, x.w.Header(), res); err != nil {
		end.close()
		return
	}
	early := make([]byte, both.Reader.Buffered())
	_, _ = io.ReadFull(both.Reader, early)
	var back sync.WaitGroup
	back.Go(func() {
		x.received, _ = copyCounted(near, far, nil)
		end.close()
	})
	sent, _ := copyCounted(far, near, early)
	x.sent.Add(sent)
	end.close()
	back.Wait()
}

// ends are the two connections of a switched one, which end together: TLS and the transport's body know
// no half-open connection.
type ends struct {
	once sync.Once
	near net.Conn
	far  io.Closer
}

func (e *ends) close() {
	e.once.Do(func() {
		_, _ = e.near.Close(), e.far.Close()
	})
}

// writeSwitch says that the protocol is switched.
func writeSwitch(w io.Writer, h http.Header, res *http.Response) error {
	h = h.Clone()
	if h.Get("Content-Type") == "" {
		h.Del("Content-Type")
	}
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", res.Header.Get("Upgrade"))
	out := bufio.NewWriter(w)
	_, _ = out.WriteString("HTTP/1.1 101 Switching Protocols\r\n") // errors stay until Flush
	_ = h.Write(out)
	_, _ = out.WriteString("\r\n")
	return out.Flush()
}

type countingWriter struct {
	io.Writer
	n int64
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.Writer.Write(b)
	w.n += int64(n)
	return n, err
}

func copyCounted(to io.Writer, from io.Reader, early []byte) (int64, error) {
	w := &countingWriter{Writer: to}
	err := copyAll(w, from, early)
	return w.n, err
}
