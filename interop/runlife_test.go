package interop_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// isolationHolds: in an isolated run a program that ignores the proxy reaches nothing, and one that takes it works as
// ever. Where the system gives no network of its own, nothing is started, and the reason is said.
func isolationHolds(t *testing.T, l *laptop) {
	isolated := func(argv ...string) result { return l.runsWith(t, []string{"--isolate"}, argv...) }
	if r := isolated("true"); r.code != 0 {
		if !strings.Contains(r.stderr, "this run cannot be isolated: ") || !strings.Contains(r.stderr, "Nothing was started") {
			t.Errorf("got code %d and %q, want to be told why the run cannot be isolated", r.code, r.stderr)
		}
		return
	}
	past := fmt.Sprintf("https://127.0.0.1:%d/isolated/around", l.port)
	if r := l.runs(t, asGo(t, "around", past)...); r.code != 0 {
		t.Errorf("without isolation a program should get around the proxy: %s", r.stderr)
	}
	if r := isolated(asGo(t, "around", past)...); r.code == 0 || !strings.Contains(r.stderr, "connect") {
		t.Errorf("isolated, and around the proxy: got code %d and %q, want no connection", r.code, r.stderr)
	}
	if n := len(l.visits("/isolated/around")); n != 1 {
		t.Errorf("%d requests came around the proxy, want the one that was not isolated", n)
	}
	if r := isolated("curl", "-fsS", "https://"+apiHost+"/isolated/through"); r.code != 0 {
		t.Errorf("isolated, through the proxy: got code %d\n%s", r.code, r.stderr)
	}
	l.sawOnce(t, apiHost, "/isolated/through", "Bearer "+l.keys.of("tea"))
}

// shell is a shell that runs under `keybearer run`, and does line by line what it is told.
type shell struct {
	*process
	lines int
}

func (l *laptop) opensShell(t *testing.T, flags ...string) *shell {
	t.Helper()
	return &shell{process: run(t, "keybearer run", command{path: built(), env: l.env, args: append(append([]string{"run"}, flags...), "--", "/bin/sh")})}
}

// does has a command run, and gives the one line that it prints.
func (s *shell) does(t *testing.T, line string) string {
	t.Helper()
	if _, err := fmt.Fprintln(s.stdin, line); err != nil {
		t.Fatalf("telling the shell: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	said, ok := s.stdout.wait(ctx, s.lines)
	if !ok {
		t.Fatalf("the shell has ended before %q\n%s", line, s.stderr.tail(20))
	}
	s.lines++
	return said
}

// loginsAreSeen: a connection that is made while a program runs serves its requests, and one that is removed serves none
// any more. The program asks until the answer changes.
func loginsAreSeen(t *testing.T, l *laptop) {
	file := filepath.Join(t.TempDir(), "late.yaml")
	if err := os.WriteFile(file, []byte(lateYAML), 0o600); err != nil {
		t.Fatal(err)
	}
	const get = "curl -fsS https://" + lateHost + "/late"
	s := l.opensShell(t)
	if got := s.does(t, get+" 2>/dev/null || echo refused"); got != "refused" {
		t.Errorf("before there is a connection: got %q", got)
	}
	l.does(t, "register", file)
	l.takesKey(t, "late", lateKey)
	if got := s.does(t, "until "+get+" 2>/dev/null; do :; done"); got != "welcome" {
		t.Errorf("after the login: got %q", got)
	}
	l.does(t, "logout", "late")
	if got := s.does(t, "while "+get+" >/dev/null 2>&1; do :; done; echo refused"); got != "refused" {
		t.Errorf("after the logout: got %q", got)
	}
	if got := s.does(t, get+" 2>/dev/null || echo refused"); got != "refused" {
		t.Errorf("and later: got %q", got)
	}
}

const (
	lateKey  = "key-that-is-not-there-at-first"
	lateYAML = `
auth:
  providers:
    - id: late
      oauth2: {api: {hosts: [late.tea.example], header: X-Tea-Key}}
`
)

// serveLate serves those who come with the key.
func (o *office) serveLate() {
	o.mux.HandleFunc(lateHost+"/late", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Tea-Key") != lateKey {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		_, _ = fmt.Fprintln(w, "welcome")
	})
}

// runsAreApart: two runs at once have different secrets and placeholders, and one's are nothing to the other.
func runsAreApart(t *testing.T, l *laptop) {
	first, second := l.opensShell(t, "--as", "first"), l.opensShell(t, "--as", "second")
	proxy, placeholder := first.does(t, "echo $HTTPS_PROXY"), first.does(t, "echo $TEA_TOKEN")
	other := second.does(t, "echo $HTTPS_PROXY")
	if proxy == other || placeholder == second.does(t, "echo $TEA_TOKEN") {
		t.Fatal("two runs have the same proxy or the same placeholder")
	}
	strange, err := url.Parse(other)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := url.Parse(proxy)
	if err != nil {
		t.Fatal(err)
	}
	strange.User = mine.User
	with := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(strange)}}
	resp, err := with.Get("http://" + plainHost + "/runs/stranger")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusProxyAuthRequired || len(l.visits("/runs/stranger")) != 0 {
		t.Errorf("the secret of another run: got %s, want 407 and no request", resp.Status)
	}
	for name, s := range map[string]*shell{"first": first, "second": second} {
		if got := s.does(t, `curl -fsS -H "Authorization: Bearer $TEA_TOKEN" https://`+apiHost+"/runs/"+name); !strings.HasPrefix(got, "served") {
			t.Errorf("%s: got %q", name, got)
		}
		l.sawOnce(t, apiHost, "/runs/"+name, "Bearer "+l.keys.of("tea"))
	}
	if got := second.does(t, fmt.Sprintf(`curl -fsS -H "Authorization: Bearer %s" https://%s/runs/theirs`, placeholder, apiHost)); !strings.HasPrefix(got, "served") {
		t.Errorf("with the other run's placeholder: got %q", got)
	}
	l.sawOnce(t, apiHost, "/runs/theirs", "Bearer "+l.keys.of("tea")) // a text like any other, in whose place comes the default
}

// TestProcessesShareOneRefresh: whoever asks for a token that has ended, in however many processes, the provider sees
// one refresh, and no refresh token twice.
func TestProcessesShareOneRefresh(t *testing.T) {
	t.Parallel()
	l, s := newLaptop(t, nil), startLoginSandbox(t, "--token-life", shortLife.String())
	former := l.signsIn(t, s, "--scopes", "read:me")
	for round := range 2 {
		waitUntilExpired(t, s.URL+"/me", former)
		var got [6]string
		var all sync.WaitGroup
		for i := range got {
			all.Go(func() { got[i] = l.token(t) })
		}
		all.Wait()
		for _, token := range got {
			if token == former || token != got[0] {
				t.Errorf("round %d: the processes got %d tokens, want one new one", round, len(slices.Compact(slices.Sorted(slices.Values(got[:])))))
			}
		}
		if counts := s.counts(t); counts["rotations"] != round+1 || counts["reuses"] != 0 {
			t.Errorf("round %d: the provider saw %v, want one refresh each", round, counts)
		}
		former = got[0]
	}
}
