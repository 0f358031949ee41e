package proxy

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// copyBuffer is what is copied of a body at once.
const copyBuffer = 32 << 10

// answer passes the upstream's answer on, as it comes.
func (x *exchange) answer(res *http.Response) {
	x.status = res.StatusCode
	h := x.w.Header()
	for name, values := range onwards(res.Header) {
		if !isOurs(name) {
			h[name] = values
		}
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // else the server would guess
	}
	x.relocate(res)
	if res.StatusCode == http.StatusSwitchingProtocols {
		x.switchProtocols(res)
		return
	}
	defer res.Body.Close()
	for name := range res.Trailer {
		h.Add("Trailer", name)
	}
	announced := len(res.Trailer)
	x.w.WriteHeader(res.StatusCode)
	x.broken = x.stream(res)
	if x.broken == nil && len(res.Trailer) > 0 {
		x.trail(res.Trailer, announced)
	}
}

// isOurs are headers that the proxy alone may set, and the offer of a protocol that it does not speak.
func isOurs(name string) bool {
	return strings.HasPrefix(name, "Keybearer-") || name == "Alt-Svc"
}

// stream copies the body. What is not its end is flushed at once: nobody knows when more comes.
func (x *exchange) stream(res *http.Response) error {
	if x.r.Method == http.MethodHead || res.ContentLength == 0 {
		return nil
	}
	pooled := x.p.buffers.Get().(*[copyBuffer]byte)
	defer x.p.buffers.Put(pooled)
	buffer, flush := pooled[:], x.flusher()
	if res.ContentLength < 0 {
		flush() // the headers of a stream, before its first event
	}
	for {
		n, err := res.Body.Read(buffer)
		if n > 0 {
			x.received += int64(n)
			if _, err := x.w.Write(buffer[:n]); err != nil {
				return err
			}
			if x.received != res.ContentLength {
				flush()
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (x *exchange) flusher() func() {
	if f, ok := x.w.(http.Flusher); ok {
		return f.Flush
	}
	return func() {}
}

// trail sends the trailers: those of gRPC are not announced.
func (x *exchange) trail(trailers http.Header, announced int) {
	x.flusher()() // so that there is a chunked body for them to follow
	h := x.w.Header()
	for name, values := range trailers {
		if len(trailers) != announced {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
}

// relocate makes a redirect of the gateway one of the site that was asked.
func (x *exchange) relocate(res *http.Response) {
	location := res.Header.Get("Location")
	if location == "" || !x.via.site {
		return
	}
	where, err := url.Parse(location)
	if err != nil {
		return
	}
	where = res.Request.URL.ResolveReference(where)
	if at, err := x.via.resolver.ToSite(where); err == nil {
		where = at
	}
	x.w.Header().Set("Location", where.String())
}
