package proxy_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer/internal/proxy"
)

// echoing is a TCP server that sends back what it gets, until the end, and then its own end.
func echoing(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { _, _ = io.Copy(c, c); _ = c.Close() })
		}
	})
	t.Cleanup(func() { _ = l.Close(); all.Wait() })
	return l.Addr().String()
}

func near(_ *lab, cfg *proxy.Config) { cfg.Policy = rules{{near: true}} }

func TestATunnelPassesAllAndEndsByHalves(t *testing.T) {
	to := echoing(t)
	l := newLab(t, echo, near)
	c, res := l.connect(to)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("got %s", res.Status)
	}
	const size = 8 << 20
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := io.Copy(c, &numbers{end: size}); err != nil {
			t.Errorf("sending: %v", err)
		}
		_ = c.(*net.TCPConn).CloseWrite()
	})
	var want bytes.Buffer
	_, _ = io.Copy(&want, &numbers{end: size})
	got, err := io.ReadAll(c)
	sending.Wait()
	if err != nil || !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%d bytes came back (%v)", len(got), err)
	}
}

// What an agent sends behind its CONNECT without waiting belongs to the tunnel.
func TestBytesThatComeWithTheConnectAreNotLost(t *testing.T) {
	to := echoing(t)
	l := newLab(t, echo, near)
	c, err := net.Dial("tcp", l.at.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	word, _ := l.at.User.Password()
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(l.at.User.Username(), word)
	var out bytes.Buffer
	out.WriteString("CONNECT " + to + " HTTP/1.1\r\nHost: " + to + "\r\nProxy-Authorization: " + r.Header.Get("Authorization") + "\r\n\r\nearly")
	if _, err := c.Write(out.Bytes()); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\nearly"))
	if _, err := io.ReadFull(c, answer); err != nil || !bytes.HasSuffix(answer, []byte("early")) {
		t.Errorf("got %q (%v)", answer, err)
	}
}

func TestAHostThatIsAwayIsTold(t *testing.T) {
	l := newLab(t, echo, near)
	_, res := l.connect("127.0.0.1:1")
	if res.StatusCode != http.StatusBadGateway || res.Header.Get(proxy.HeaderError) != string(proxy.CodeUpstream) {
		t.Errorf("got %s %v", res.Status, res.Header)
	}
}

func TestClosingEndsTunnelsAndStreams(t *testing.T) {
	to := echoing(t)
	started := make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush()
		close(started)
		<-r.Context().Done()
	}, near)
	quiet, _ := l.connect(to)
	handshake, _ := l.connect(l.host()) // it never sends a hello
	stream, err := l.client().Do(l.request(http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	<-started
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := l.proxy.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closing says %v", err)
	}
	for _, c := range []net.Conn{quiet, handshake} {
		if n, err := c.Read(make([]byte, 1)); err == nil {
			t.Errorf("%d bytes came", n)
		}
	}
	if _, err := io.ReadAll(stream.Body); err == nil {
		t.Error("the stream ended as if it were whole")
	}
	_ = stream.Body.Close()
	if err := l.proxy.Serve(&net.TCPListener{}); err == nil {
		t.Error("a closed proxy serves")
	}
}

func TestRequestsUnderWayEndBeforeTheProxyDoes(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		close(started)
		<-finish
		echo(w, r)
	}, nil)
	var asking sync.WaitGroup
	asking.Go(func() {
		if r := l.get("/"); r.text != "Bearer "+canary+"||" {
			t.Errorf("got %d %q", r.StatusCode, r.text)
		}
	})
	<-started
	var closing sync.WaitGroup
	closing.Go(func() {
		if err := l.proxy.Close(t.Context()); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	close(finish)
	asking.Wait()
	closing.Wait()
}

// The aim is a thousand quiet tunnels in a hundred megabytes; both ends of all of them are in this process.
func TestQuietTunnelsTakeLittle(t *testing.T) {
	const tunnels = 1000
	to := echoing(t)
	l := newLab(t, echo, near)
	used := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse + m.StackInuse)
	}
	before := used()
	word := []byte("hello")
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for range tunnels {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			c, res := l.connect(to)
			if res.StatusCode != http.StatusOK {
				t.Errorf("got %s", res.Status)
				return
			}
			got := make([]byte, len(word))
			_, _ = c.Write(word)
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, word) {
				t.Errorf("got %q (%v)", got, err)
			}
		})
	}
	all.Wait()
	each := (used() - before) / tunnels
	t.Logf("%d bytes for each tunnel, both ends included", each)
	if each > 100<<10 {
		t.Errorf("a quiet tunnel takes %d bytes", each)
	}
}
