package proxy_test

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/keybearer/keybearer/internal/proxy"
)

// asks sends a request for a whole URL to the proxy itself.
func (l *lab) asks(url string, headers string) reply {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.at.Host)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close()
	word, _ := l.at.User.Password()
	login := base64.StdEncoding.EncodeToString([]byte(l.at.User.Username() + ":" + word))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: ignored.example\r\nProxy-Authorization: Basic %s\r\nConnection: close\r\n%s\r\n", url, login, headers); err != nil {
		l.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return reply{res, string(text)}
}

// Programs that know no CONNECT ask the proxy for https:// URLs, and are served as if they had known it.
func TestAnHTTPSURLThatTheProxyIsAskedForIsServed(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		echo(w, r)
	}, nil)
	held := l.agent.Env["HOOLI_TOKEN"]
	for _, headers := range []string{"", "Authorization: Bearer " + held + "\r\n", "Authorization: Bearer own\r\n"} {
		if r := l.asks(l.upstream.URL+"/a", headers); r.StatusCode != http.StatusOK || r.text != "Bearer "+canary+"||" {
			t.Errorf("with %q: got %d %q, want the credential once", headers, r.StatusCode, r.text)
		}
	}
	if i := l.audit(3)[0]; i.Host != l.host() || i.Path != "/a" || i.Outcome != "ok" {
		t.Errorf("the audit says %+v", i)
	}
	n.Store(0)
	wantRefused(t, l.asks("https://evil.example/", "Authorization: Bearer "+held+"\r\n"), 403, proxy.CodeElsewhere)
	wantRefused(t, l.asks("https://127.0.0.1:1/", ""), 403, proxy.CodeAddress) // as a tunnel there would be
	wantRefused(t, l.asks("https://a:b@"+l.host()+"/", ""), 400, proxy.CodeBadRequest)
	wantRefused(t, l.asks(l.upstream.URL+"/a/../b", ""), 400, proxy.CodePath)
	if n.Load() != 0 {
		t.Error("a refused request was forwarded")
	}
}

// Where no connection serves the host it is asked for what the program sent, with the host's certificate checked.
func TestAnHTTPSURLOfAStrangerIsPassedOn(t *testing.T) {
	l := newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{"api.hooli.example"}
		l.store.put(r, canary)
		cfg.Policy = rules{{near: true}}
	})
	if r := l.asks(l.upstream.URL+"/a", "Authorization: Bearer own\r\n"); r.text != "Bearer own||" {
		t.Errorf("got %d %q, want what the program sent", r.StatusCode, r.text)
	}
	untrusted := named(t, x509.NewCertPool(), "127.0.0.1", echo)
	wantRefused(t, l.asks("https://"+untrusted+"/", ""), 502, proxy.CodeUpstreamTLS)
}
