package proxy_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/proxy"
)

func TestACredentialIsPutOnARequestThatHasNone(t *testing.T) {
	l := newLab(t, echo, nil)
	for _, h2 := range []bool{false, true} {
		r := l.do(l.clientOf(h2), l.request(http.MethodGet, "/x?a=b", nil))
		if want := "Bearer " + canary + "||a=b"; r.StatusCode != http.StatusOK || r.text != want {
			t.Errorf("h2 %v: got %d %q, want %q", h2, r.StatusCode, r.text, want)
		}
		if got := r.ProtoMajor == 2; got != h2 {
			t.Errorf("the agent was spoken to in %s", r.Proto)
		}
	}
	for _, i := range l.audit(2) {
		if i.Run != "run-1" || i.Ref.Provider != "hooli" || i.Method != "GET" || i.Host != l.host() || i.Path != "/x" || i.Status != 200 || i.Outcome != "ok" || i.Received == 0 {
			t.Errorf("the audit says %+v", i)
		}
	}
	if got := l.store.asks(); got != 1 {
		t.Errorf("the source was asked %d times for one token", got)
	}
}

func TestAPlaceholderIsReplacedWhereItStands(t *testing.T) {
	l := newLab(t, echo, nil)
	held := l.agent.Env["HOOLI_TOKEN"]
	basic := func(pair string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) }
	for _, c := range []struct {
		name, path string
		headers    []string
		want       string
	}{
		{"Bearer", "/", []string{"Authorization", "Bearer " + held}, "Bearer " + canary + "||"},
		{"token", "/", []string{"Authorization", "token " + held}, "token " + canary + "||"},
		{"Basic, as the password", "/", []string{"Authorization", basic("x-access-token:" + held)}, basic("x-access-token:"+canary) + "||"},
		{"Basic, as the user", "/", []string{"Authorization", basic(held + ":x-oauth-basic")}, basic(canary+":x-oauth-basic") + "||"},
		{"another header", "/", []string{"X-Api-Key", held}, "|" + canary + "|"},
		{"the query", "/?key=" + held + "&q=1", nil, "||key=" + canary + "&q=1"},
		{"the query, as RFC 6750 has it", "/?access_token=" + held, nil, "||access_token=" + canary},
		{"the query, beside one of the agent's own", "/?a=b&access_token=own&%61ccess_token=" + held, nil, "||a=b&%61ccess_token=" + canary},
		{"a header, beside one of the agent's own in the query", "/?access_token=own&&a", []string{"Authorization", "Bearer " + held}, "Bearer " + canary + "||&a"},
		{"beside a credential of the agent's own", "/", []string{"Authorization", "Bearer own", "X-Api-Key", held}, "|" + canary + "|"},
	} {
		if r := l.get(c.path, c.headers...); r.text != c.want {
			t.Errorf("%s: got %d %q, want %q", c.name, r.StatusCode, r.text, c.want)
		}
	}
}

// Git's hosts take the credential where git sends it, and nothing is added to what it asks without one.
func TestHostThatReplacesOnly(t *testing.T) {
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		r := l.hooli()
		r.API.Replace, r.API.Hosts = r.API.Hosts, nil
		l.store.put(r, canary)
	})
	held := l.agent.Env["HOOLI_TOKEN"]
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+held))
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("x-access-token:"+canary))
	for sent, got := range map[string]string{"": "", basic: want, "Basic b3duOm93bg==": "Basic b3duOm93bg=="} {
		req := l.request(http.MethodGet, "/info/refs", nil)
		if sent != "" {
			req.Header.Set("Authorization", sent)
		}
		if r := l.do(l.client(), req); r.StatusCode != http.StatusOK || !strings.HasPrefix(r.text, got+"|") {
			t.Errorf("sent %.12q: got %d %q", sent, r.StatusCode, r.text)
		}
	}
}
