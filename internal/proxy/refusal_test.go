package proxy_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/proxy"
	"github.com/keybearer/keybearer/oauth"
)

// counting is an upstream that counts what reaches it.
func counting(n *atomic.Int32) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		echo(w, r)
	}
}

func TestWithoutACredentialNothingGoesOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   proxy.Code
		says   string
	}{
		{"a dead grant", keybearer.Errorf(keybearer.Reauthorize, "the user has taken the consent back"), 403, proxy.CodeReauthorize, "run: keybearer login hooli --connection work"},
		{"a connection that went", keybearer.Errorf(keybearer.NotFound, "there is none"), 403, proxy.CodeNoConnection, "run: keybearer login hooli"},
		{"a key that may not", keybearer.Errorf(keybearer.PermissionDenied, "this key may not"), 403, proxy.CodeNotAllowed, "may not"},
		{"a provider that is away", &keybearer.Error{Kind: keybearer.ProviderAway, Err: errors.New("hooli is away"), RetryAfter: 7 * time.Second}, 502, proxy.CodeTokenAway, "hooli is away"},
		{"an error of ours", errors.New("disk " + canary), 502, proxy.CodeTokenAway, "in the log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int32
			l := newLab(t, counting(&n), func(l *lab, _ *proxy.Config) {
				r := l.hooli()
				r.Ref.Name = "work"
				r = l.store.put(r, canary)
				l.store.errs[r.Ref] = c.err
			})
			r := l.get("/", "Authorization", "Bearer "+l.agent.Env["HOOLI_TOKEN"])
			wantRefused(t, r, c.status, c.code)
			if !strings.Contains(r.text, c.says) {
				t.Errorf("it says %s, want %q", r.text, c.says)
			}
			if after := r.Header.Get("Retry-After"); (after == "7") != strings.Contains(c.name, "away") {
				t.Errorf("got Retry-After %q", after)
			}
			if got := l.audit(1)[0]; got.Outcome != string(keybearer.KindOf(c.err)) || got.Status != c.status || got.Ref.Name != "work" {
				t.Errorf("the audit says %+v", got)
			}
			if n.Load() != 0 {
				t.Error("the request was forwarded")
			}
		})
	}
}

func TestAFailingSourceIsNotAskedForEachRequest(t *testing.T) {
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		r := l.store.put(l.hooli(), canary)
		l.store.errs[r.Ref] = keybearer.Errorf(keybearer.ProviderAway, "away")
	})
	c := l.client()
	for range 20 {
		wantRefused(t, l.do(c, l.request(http.MethodGet, "/", nil)), 502, proxy.CodeTokenAway)
	}
	if got := l.store.asks(); got > 3 {
		t.Errorf("the source was asked %d times", got)
	}
}

func TestAPlaceholderOnItsWayElsewhereIsRefused(t *testing.T) {
	var n atomic.Int32
	other := httptest.NewServer(counting(&n))
	defer other.Close()
	l := newLab(t, counting(&n), func(l *lab, cfg *proxy.Config) {
		l.store.put(l.hooli(), canary)
		l.store.put(keybearer.Route{
			Ref: keybearer.Ref{Provider: "initech"}, Default: true,
			API: oauth.API{Hosts: []string{"api.initech.example"}, Env: map[string]string{"INITECH_KEY": oauth.EnvToken}},
		}, "other-credential")
		cfg.Policy = rules{{near: true}}
	})
	foreign := l.agent.Env["INITECH_KEY"]
	if foreign == "" || foreign == l.agent.Env["HOOLI_TOKEN"] {
		t.Fatalf("the placeholders are %v", l.agent.Env)
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+foreign))
	plain := func(path string, headers ...string) *http.Request {
		req := l.request(http.MethodGet, path, nil, headers...)
		req.URL.Scheme, req.URL.Host, req.Host = "http", other.Listener.Addr().String(), ""
		return req
	}
	for _, req := range []*http.Request{
		l.request(http.MethodGet, "/", nil, "Authorization", "Bearer "+foreign),
		l.request(http.MethodGet, "/", nil, "Authorization", basic),
		l.request(http.MethodGet, "/", nil, "X-Anything", "a "+foreign+" b"),
		l.request(http.MethodGet, "/?q="+foreign, nil),
		l.request(http.MethodGet, "/x/"+foreign, nil),
		plain("/", "Authorization", "Bearer "+foreign),
		plain("/?q=" + foreign),
	} {
		wantRefused(t, l.do(l.client(), req), 403, proxy.CodeElsewhere)
	}
	for _, i := range l.audit(7) {
		if i.Outcome != string(keybearer.PermissionDenied) || i.Ref.Provider != "initech" || i.Status != 403 {
			t.Errorf("the audit says %+v", i)
		}
	}
	if n.Load() != 0 {
		t.Errorf("%d requests were forwarded", n.Load())
	}
}

func TestNoCredentialGoesOutOverPlainHTTP(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, counting(&n), func(l *lab, _ *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = append(r.API.Hosts, "api.hooli.example")
		l.store.put(r, canary)
	})
	req := l.request(http.MethodGet, "/", nil, "Authorization", "Bearer "+l.agent.Env["HOOLI_TOKEN"])
	req.URL.Scheme, req.URL.Host, req.Host = "http", "api.hooli.example", ""
	r := l.do(l.client(), req)
	wantRefused(t, r, 403, proxy.CodePlainHTTP)
	if !strings.Contains(r.text, "use https://api.hooli.example") {
		t.Errorf("it says %s", r.text)
	}
}

func TestAPortOfThisMachineThatARouteNamesGetsItsCredentialOverPlainHTTP(t *testing.T) {
	sandbox := httptest.NewServer(http.HandlerFunc(echo))
	defer sandbox.Close()
	other := httptest.NewServer(http.HandlerFunc(echo))
	defer other.Close()
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{sandbox.URL}
		l.store.put(r, canary)
	})
	req := l.request(http.MethodGet, "/", nil)
	req.URL.Scheme, req.URL.Host, req.Host = "http", sandbox.Listener.Addr().String(), ""
	if r := l.do(l.client(), req); r.text != "Bearer "+canary+"||" {
		t.Errorf("got %d %q", r.StatusCode, r.text)
	}
	req.URL.Host = other.Listener.Addr().String()
	wantRefused(t, l.do(l.client(), req), 403, proxy.CodeAddress)
	if _, res := l.connect(sandbox.Listener.Addr().String()); res.StatusCode != http.StatusForbidden {
		t.Errorf("a tunnel to it was answered with %s", res.Status)
	}
}

func TestTwoPlaceholdersInOneRequestAreRefused(t *testing.T) {
	l := newLab(t, echo, func(l *lab, _ *proxy.Config) {
		l.store.put(l.hooli(), canary)
		r := l.hooli()
		r.Ref.Name, r.Default = "work", false
		l.store.put(r, "credential-of-work")
	})
	a, b := l.agent.Env["HOOLI_TOKEN"], l.agent.Env["HOOLI_TOKEN__WORK"]
	wantRefused(t, l.get("/", "Authorization", "Bearer "+a, "X-Api-Key", b), 400, proxy.CodeTwo)
	wantRefused(t, l.get("/?key="+b, "Authorization", "Bearer "+a), 400, proxy.CodeTwo)
	wantRefused(t, l.get("/", "Authorization", "Bearer "+a, "Authorization", "Bearer "+a), 400, proxy.CodeTwo)
	wantRefused(t, l.get("/", "Authorization", "Bearer own", "Authorization", "Bearer own2"), 400, proxy.CodeTwo)
	wantRefused(t, l.get("/"+a), 400, proxy.CodePlaceholderPath)
}

func TestOnlyAgentsThatAreKnownAreServed(t *testing.T) {
	l := newLab(t, echo, nil)
	word, _ := l.at.User.Password()
	second, err := l.proxy.Admit(proxy.Agent{Name: "run-2"})
	if err != nil {
		t.Fatal(err)
	}
	basic := func(pair string) string {
		return "Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(pair)) + "\r\n"
	}
	ask := func(first, authorization string) *http.Response {
		c, err := net.Dial("tcp", l.at.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: x\r\n%s\r\n", first, authorization)
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	for _, c := range []struct {
		name, authorization string
	}{
		{"nothing", ""},
		{"another secret", basic("run-1:" + word + "x")},
		{"no secret", basic("run-1:")},
		{"another agent's secret", basic("run-1:" + second.Secret.Reveal())},
		{"an unknown name", basic("run-9:" + word)},
		{"Bearer", "Proxy-Authorization: Bearer " + word + "\r\n"},
		{"no base64", "Proxy-Authorization: Basic ***\r\n"},
		{"Authorization", strings.TrimPrefix(basic("run-1:"+word), "Proxy-")},
	} {
		for _, first := range []string{"CONNECT " + l.host(), "GET http://" + l.host() + "/", "GET /"} {
			res := ask(first, c.authorization)
			if res.StatusCode != http.StatusProxyAuthRequired || res.Header.Get("Proxy-Authenticate") == "" || res.Header.Get(proxy.HeaderError) != string(proxy.CodeProxyAuth) {
				t.Errorf("%s with %s: got %s %v", first, c.name, res.Status, res.Header)
			}
		}
	}
	if res := ask("CONNECT "+l.host(), basic("run-1:"+word)); res.StatusCode != http.StatusOK {
		t.Errorf("the agent itself got %s", res.Status)
	}
	l.proxy.Dismiss("run-1")
	if res := ask("CONNECT "+l.host(), basic("run-1:"+word)); res.StatusCode != http.StatusProxyAuthRequired {
		t.Errorf("an agent that was dismissed got %s", res.Status)
	}
	for _, name := range []string{"", "a:b", "a b", "é", "run-2"} {
		if _, err := l.proxy.Admit(proxy.Agent{Name: name}); err == nil {
			t.Errorf("an agent called %q was admitted", name)
		}
	}
}

func TestTheProxyIsNoServerOfItsOwn(t *testing.T) {
	l := newLab(t, echo, nil)
	word, _ := l.at.User.Password()
	for _, path := range []string{"http://" + l.at.Host + "/", "http://" + l.at.Host + "/debug"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("run-1:"+word)))
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		wantRefused(t, reply{res, string(text)}, 400, proxy.CodeBadRequest)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestThePolicyDecides(t *testing.T) {
	var n atomic.Int32
	answers := make(chan bool, 1)
	var asked proxy.Question
	l := newLab(t, counting(&n), func(l *lab, cfg *proxy.Config) {
		cfg.Policy = rules{
			{method: "DELETE", verdict: proxy.Refuse, rule: "read-only", reason: "nothing is deleted"},
			{path: "/admin", verdict: proxy.Confirm, rule: "ask", reason: "for admins"},
			{path: "/rate", verdict: proxy.Refuse, rule: "slow", after: 3 * time.Second},
			{path: "/own", own: true},
		}
		cfg.Ask = func(_ context.Context, q proxy.Question) (bool, error) { asked = q; return <-answers, nil }
	})
	r := l.do(l.client(), l.request(http.MethodDelete, "/issue/1", nil))
	wantRefused(t, r, 403, proxy.CodePolicy)
	if !strings.Contains(r.text, "nothing is deleted") {
		t.Errorf("it says %s", r.text)
	}
	r = l.get("/rate")
	wantRefused(t, r, 429, proxy.CodeRate)
	if r.Header.Get("Retry-After") != "3" {
		t.Errorf("got Retry-After %q", r.Header.Get("Retry-After"))
	}
	answers <- false
	wantRefused(t, l.get("/admin/users"), 403, proxy.CodeNotConfirmed)
	if n.Load() != 0 {
		t.Error("a refused request was forwarded")
	}
	answers <- true
	if r := l.get("/admin/users"); r.StatusCode != http.StatusOK {
		t.Errorf("a confirmed request got %d", r.StatusCode)
	}
	if asked.Run != "run-1" || asked.Provider != "hooli" || asked.Method != "GET" || asked.Path != "/admin/users" || asked.Rule != "ask" || !asked.Matched {
		t.Errorf("somebody was asked %+v", asked)
	}
	if r := l.get("/own", "Authorization", "Bearer own"); r.text != "Bearer own||" {
		t.Errorf("a credential of one's own that the policy lets out became %q", r.text)
	}
	if r := l.get("/other", "Authorization", "Bearer own"); r.text != "Bearer "+canary+"||" {
		t.Errorf("a credential of one's own became %q", r.text)
	}
}

func TestACredentialOfTheAgentsOwnThatIsRefusedCostsNoToken(t *testing.T) {
	var n atomic.Int32
	l := newLab(t, picky(canary, &n), func(_ *lab, cfg *proxy.Config) { cfg.Policy = rules{{own: true}} })
	l.store.renew = renewTo("renewed")
	if r := l.get("/", "Authorization", "Bearer own"); r.StatusCode != http.StatusUnauthorized || len(l.store.renewed) != 0 {
		t.Errorf("got %d and %d renewals", r.StatusCode, len(l.store.renewed))
	}
	if r := l.get("/"); r.StatusCode != http.StatusOK {
		t.Errorf("without one: got %d", r.StatusCode)
	}
}

// What is not the proxy's business passes as it was sent.
func TestPlainRequestsToOthersAreForwardedUntouched(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(w, "%s %s %q", r.Method, r.RequestURI, r.Header["Authorization"])
	}))
	defer other.Close()
	l := newLab(t, echo, func(_ *lab, cfg *proxy.Config) {
		cfg.Policy = rules{{method: "PUT", verdict: proxy.Refuse}, {near: true}}
	})
	ask := func(method, path string) reply {
		req := l.request(method, path, nil, "Authorization", "Bearer own")
		req.URL.Scheme, req.URL.Host, req.Host = "http", other.Listener.Addr().String(), ""
		return l.do(l.client(), req)
	}
	if r := ask(http.MethodGet, "/a%2Fb//c?d=%zz"); r.text != `GET /a%2Fb//c?d=%zz ["Bearer own"]` {
		t.Errorf("got %d %q", r.StatusCode, r.text)
	}
	wantRefused(t, ask(http.MethodPut, "/"), 403, proxy.CodePolicy)
	if all := l.audit(1); len(all) != 1 || all[0].Method != http.MethodPut {
		t.Errorf("the audit says %+v", all)
	}
}

func TestASecretIsInNoLogAndNoAudit(t *testing.T) {
	l := newLab(t, echo, nil)
	l.get("/?key="+l.agent.Env["HOOLI_TOKEN"], "Authorization", "Bearer "+l.agent.Env["HOOLI_TOKEN"])
	l.get("/nowhere?q="+canary, "Authorization", "Bearer "+canary)
	l.upstream.CloseClientConnections()
	l.upstream.Listener.Close()
	l.get("/away?key=" + l.agent.Env["HOOLI_TOKEN"])
	for _, text := range []string{l.log.String(), fmt.Sprintf("%+v", l.audit(3))} {
		for _, word := range []string{canary, "key=", l.agent.Secret.Reveal()} {
			if strings.Contains(text, word) {
				t.Errorf("%q is in %s", word, text)
			}
		}
	}
}
