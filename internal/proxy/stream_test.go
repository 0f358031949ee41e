package proxy_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/proxy"
)

func TestEventsComeAsTheyAreSent(t *testing.T) {
	read := make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			_, _ = fmt.Fprintf(w, "data: %d %s\n\n", i, r.Header.Get("Authorization"))
			w.(http.Flusher).Flush()
			select {
			case <-read: // the next one is sent when the agent has this one
			case <-r.Context().Done():
				return
			}
		}
	}, nil)
	for _, h2 := range []bool{false, true} {
		res, err := l.clientOf(h2).Do(l.request(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(res.Body)
		for i := range 3 {
			if !lines.Scan() || lines.Text() != fmt.Sprintf("data: %d Bearer %s", i, canary) || !lines.Scan() {
				t.Fatalf("h2 %v: event %d is %q (%v)", h2, i, lines.Text(), lines.Err())
			}
			read <- struct{}{}
		}
		_ = res.Body.Close()
	}
}

func TestHeadersOfAStreamComeBeforeItsFirstEvent(t *testing.T) {
	seen := make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		select {
		case <-seen:
		case <-r.Context().Done():
		}
	}, nil)
	res, err := l.client().Do(l.request(http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	close(seen)
	_ = res.Body.Close()
}

// A stream in both directions with trailers that nobody announced, as gRPC has it.
func TestBothDirectionsOfAStreamFlowAtOnce(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		if r.ProtoMajor != 2 || r.Header.Get("Te") != "trailers" {
			t.Errorf("the upstream was spoken to in %s, with TE %q", r.Proto, r.Header.Get("Te"))
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		buffer := make([]byte, 100)
		for {
			n, err := r.Body.Read(buffer)
			_, _ = w.Write(bytes.ToUpper(buffer[:n]))
			w.(http.Flusher).Flush()
			if err != nil {
				break
			}
		}
		w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", r.Trailer.Get("Last-Word"))
	}, nil)
	from, to := io.Pipe()
	req := l.request(http.MethodPost, "/service/Method", from, "Te", "trailers", "Content-Type", "application/grpc")
	req.Trailer = http.Header{"Last-Word": nil}
	res, err := l.client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(to, word); err != nil {
			t.Fatal(err)
		}
		answer := make([]byte, len(word))
		if _, err := io.ReadFull(res.Body, answer); err != nil || string(answer) != strings.ToUpper(word) {
			t.Fatalf("got %q for %q (%v)", answer, word, err)
		}
	}
	req.Trailer.Set("Last-Word", "bye")
	_ = to.Close()
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("the end is %q (%v)", rest, err)
	}
	if res.Trailer.Get("Grpc-Status") != "0" || res.Trailer.Get("Grpc-Message") != "bye" {
		t.Errorf("the trailers are %v", res.Trailer)
	}
	_ = res.Body.Close()
	if i := l.audit(1)[0]; i.Sent != 11 || i.Received != 11 || i.Outcome != "ok" {
		t.Errorf("the audit says %+v", i)
	}
}

func TestAnnouncedTrailersArrive(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Checksum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("Checksum", "abc")
	}, nil)
	for _, h2 := range []bool{false, true} {
		if r := l.do(l.clientOf(h2), l.request(http.MethodGet, "/", nil)); r.text != "body" || r.Trailer.Get("Checksum") != "abc" {
			t.Errorf("h2 %v: got %q and %v", h2, r.text, r.Trailer)
		}
	}
}

// numbers is a body whose bytes are known by their place, from one place to another.
type numbers struct{ at, end int }

func (n *numbers) Read(b []byte) (int, error) {
	b = b[:min(len(b), n.end-n.at)]
	for i := range b {
		b[i] = byte((n.at + i) % 251)
	}
	if n.at += len(b); len(b) == 0 {
		return 0, io.EOF
	}
	return len(b), nil
}

func TestLargeBodiesPassUnchangedAndUnbuffered(t *testing.T) {
	const size = 24 << 20
	started := make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		hash := sha256.New()
		first := make([]byte, 1)
		_, _ = io.ReadFull(r.Body, first)
		close(started)
		n, err := io.Copy(hash, io.MultiReader(bytes.NewReader(first), r.Body))
		if err != nil {
			t.Errorf("reading: %v", err)
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		w.Header().Set("X-Seen", fmt.Sprintf("%d %x", n, hash.Sum(nil)))
		_, _ = io.Copy(w, &numbers{end: size})
	}, nil)
	want := sha256.New()
	_, _ = io.Copy(want, &numbers{end: size})
	for _, h2 := range []bool{false, true} {
		started = make(chan struct{})
		// The second half is sent when the upstream has seen the first: nobody waits for the whole.
		body := io.MultiReader(&numbers{end: size / 2}, gate{started}, &numbers{at: size / 2, end: size})
		req := l.request(http.MethodPut, "/", body)
		req.ContentLength = size
		res, err := l.clientOf(h2).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := sha256.New()
		n, err := io.Copy(got, res.Body)
		_ = res.Body.Close()
		if err != nil || n != size || !bytes.Equal(got.Sum(nil), want.Sum(nil)) {
			t.Errorf("h2 %v: %d bytes came back (%v)", h2, n, err)
		}
		if res.Header.Get("X-Seen") != fmt.Sprintf("%d %x", size, want.Sum(nil)) {
			t.Errorf("h2 %v: the upstream saw %s", h2, res.Header.Get("X-Seen"))
		}
	}
	for _, i := range l.audit(2) {
		if i.Sent != size || i.Received != size {
			t.Errorf("the audit counts %d and %d bytes", i.Sent, i.Received)
		}
	}
}

// gate is a reader that ends when something has happened.
type gate struct{ open <-chan struct{} }

func (g gate) Read([]byte) (int, error) { <-g.open; return 0, io.EOF }

func TestAnAnswerThatBreaksOffIsNotTakenForWhole(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	for _, h2 := range []bool{false, true} {
		res, err := l.clientOf(h2).Do(l.request(http.MethodGet, "/", nil))
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("h2 %v: got %q as a whole answer", h2, text)
		}
		_ = res.Body.Close()
	}
	if i := l.audit(2)[0]; i.Outcome != string(keybearer.ProviderAway) {
		t.Errorf("the audit says %+v", i)
	}
}

// connect sends a CONNECT by hand, and gives the connection behind it.
func (l *lab) connect(to string) (net.Conn, *http.Response) {
	l.t.Helper()
	c, err := net.Dial("tcp", l.at.Host)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close() })
	word, _ := l.at.User.Password()
	_, err = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nProxy-Authorization: Basic %s\r\n\r\n",
		to, base64.StdEncoding.EncodeToString([]byte(l.at.User.Username()+":"+word)))
	if err != nil {
		l.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: http.MethodConnect})
	if err != nil {
		l.t.Fatal(err)
	}
	return c, res
}

// inside speaks TLS behind a CONNECT to the upstream.
func (l *lab) inside() *tls.Conn {
	l.t.Helper()
	c, res := l.connect(l.host())
	if res.StatusCode != http.StatusOK {
		l.t.Fatalf("CONNECT was answered with %s", res.Status)
	}
	secure := tls.Client(c, &tls.Config{RootCAs: l.ca.Pool(), ServerName: strings.Split(l.host(), ":")[0]})
	if err := secure.Handshake(); err != nil {
		l.t.Fatal(err)
	}
	return secure
}

func TestAWebSocketPassesWithItsCredential(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Authorization") != "Bearer "+canary {
			t.Errorf("the upstream got %v", r.Header)
		}
		c, both, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello ")
		word := make([]byte, 4)
		for {
			if _, err := io.ReadFull(both, word); err != nil {
				return
			}
			_, _ = c.Write(bytes.ToUpper(word))
		}
	}, nil)
	c := l.inside()
	_, _ = fmt.Fprintf(c, "GET /socket HTTP/1.1\r\nHost: %s\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n", l.host())
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Accept") != "x" {
		t.Fatalf("got %v (%v)", res, err)
	}
	for _, word := range []string{"ping", "pong"} {
		_, _ = io.WriteString(c, word)
		answer := make([]byte, 4)
		if word == "ping" {
			answer = make([]byte, 10)
		}
		if _, err := io.ReadFull(r, answer); err != nil || !strings.HasSuffix(string(answer), strings.ToUpper(word)) {
			t.Fatalf("got %q (%v)", answer, err)
		}
	}
	_ = c.Close()
	if i := l.audit(1)[0]; i.Status != http.StatusSwitchingProtocols || i.Sent != 8 || i.Received != 14 || i.Path != "/socket" {
		t.Errorf("the audit says %+v", i)
	}
}

func TestAnAgentThatHangsUpStopsTheUpstream(t *testing.T) {
	gone := make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(gone)
	}, nil)
	res, err := l.clientOf(false).Do(l.request(http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	<-gone
	l.audit(1)
}

func TestAnEarlyAnswerDoesNotWaitForTheBody(t *testing.T) {
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 1 {
			_ = http.NewResponseController(w).EnableFullDuplex()
		}
		w.WriteHeader(http.StatusRequestEntityTooLarge)
	}, nil)
	for _, h2 := range []bool{false, true} {
		from, to := io.Pipe()
		res, err := l.clientOf(h2).Do(l.request(http.MethodPost, "/", from))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("got %s", res.Status)
		}
		_, _ = to.Close(), res.Body.Close()
	}
}

// Where no connection serves a host its bytes are not touched: the agent sees the host's own certificate.
func TestOtherHostsAreTunnelled(t *testing.T) {
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) { cfg.Policy = rules{{rule: "other", near: true}} })
	other := httptest.NewTLSServer(http.HandlerFunc(echo))
	defer other.Close()
	c := l.client()
	c.Transport.(*http.Transport).TLSClientConfig = other.Client().Transport.(*http.Transport).TLSClientConfig
	req := l.request(http.MethodGet, "/", nil, "Authorization", "Bearer own")
	req.URL.Host, req.Host = other.Listener.Addr().String(), ""
	if r := l.do(c, req); r.text != "Bearer own||" || !r.TLS.PeerCertificates[0].Equal(other.Certificate()) {
		t.Errorf("got %q", r.text)
	}
	if n := len(l.audits); n != 0 {
		t.Errorf("the audit has %d lines for a tunnel", n)
	}
}

// rules are a policy: the first rule whose host, method and path begin so.
type rules []struct {
	host, method, path string
	verdict            proxy.Verdict
	rule, reason       string
	own, near          bool
	after              time.Duration
}

func (rs rules) Decide(q proxy.Asked) proxy.Ruling {
	for _, r := range rs {
		if strings.HasPrefix(q.Host, r.host) && strings.HasPrefix(q.Method, r.method) && strings.HasPrefix(q.Path, r.path) {
			return proxy.Ruling{Verdict: r.verdict, Rule: r.rule, Reason: r.reason, Own: r.own, Near: r.near, After: r.after}
		}
	}
	return proxy.Ruling{}
}
