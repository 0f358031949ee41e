package child

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/iotest"
)

func TestSecretIsShownForThoseWhoCannot(t *testing.T) {
	const tunnel = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n"
	for _, c := range []struct{ name, in, out string }{
		{"added", tunnel + "\r\nrest", tunnel + "Proxy-Authorization: Basic eA==\r\n\r\nrest"},
		{"has one", tunnel + "proxy-authorization: Basic other\r\n\r\n", tunnel + "proxy-authorization: Basic other\r\n\r\n"},
		{"no tunnel", "GET http://a.test/ HTTP/1.1\r\n\r\n", "GET http://a.test/ HTTP/1.1\r\n\r\n"},
		{"not HTTP", "CON\x16\x03", "CON\x16\x03"},
		{"cut off", "CONNECT a.test", "CONNECT a.test"},
		{"nothing", "", ""},
	} {
		if got := string(withSecret(strings.NewReader(c.in), "Basic eA==")); got != c.out {
			t.Errorf("%s: got %q, want %q", c.name, got, c.out)
		}
	}
	slow := iotest.OneByteReader(strings.NewReader(tunnel + "\r\n"))
	if got := string(withSecret(slow, "Basic eA==")); !strings.HasSuffix(got, "Proxy-Authorization: Basic eA==\r\n\r\n") {
		t.Errorf("byte by byte: got %q", got)
	}
	long := "CONNECT " + strings.Repeat("a", 2*maxHead)
	if got := withSecret(strings.NewReader(long), "Basic eA=="); len(got) != maxHead {
		t.Errorf("of a head without end %d bytes were read, want %d", len(got), maxHead)
	}
}

// What is large comes through whole, and one side may end before the other, as with a request whose end is the
// end of its stream.
func TestRelayPassesTheEndOfEachSide(t *testing.T) {
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	go func() { // it ends with its only connection
		conn, err := upstream.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		all, err := io.ReadAll(conn) // not a byte is answered before the request has ended
		if err == nil {
			_, _ = conn.Write(all)
		}
	}()
	here, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := newRelay(here, &url.URL{Host: upstream.Addr().String(), User: url.UserPassword("run", "placeholder")})
	defer r.close()
	conn, err := net.Dial("tcp", here.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent := bytes.Repeat([]byte("C"), 8<<20) // looks like the beginning of a CONNECT
	if _, err := conn.Write(sent); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d of %d bytes came back: %v", len(got), len(sent), err)
	}
}

// Whatever comes, no byte of it is lost or changed, and what was added makes one request of one.
func FuzzWithSecret(f *testing.F) {
	f.Add([]byte("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\nmore"))
	f.Add([]byte("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: x\r\n\r\n"))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		const added = "\r\nProxy-Authorization: Basic eA=="
		source := bytes.NewReader(in)
		got := withSecret(source, "Basic eA==")
		read := in[:len(in)-source.Len()]
		if bytes.Equal(got, read) {
			return
		}
		at := bytes.Index(read, []byte("\r\n\r\n"))
		if at < 0 || string(got) != string(read[:at])+added+string(read[at:]) {
			t.Fatalf("%q became %q", read, got)
		}
		before, err1 := http.ReadRequest(bufio.NewReader(bytes.NewReader(read)))
		after, err2 := http.ReadRequest(bufio.NewReader(bytes.NewReader(got)))
		if err1 == nil && (err2 != nil || after.Host != before.Host || after.Header.Get("Proxy-Authorization") == "") {
			t.Fatalf("%q became %q: %v", read, got, err2)
		}
	})
}
