package interop_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramsUnderRun has programs that nobody here wrote work under `keybearer run`, on one vault. The judge is the
// server: it saw the connection's credential, once, at its host, and the program never held it.
func TestProgramsUnderRun(t *testing.T) {
	t.Parallel()
	need(t, partCurl)
	o := openOffice(t)
	o.serveAPI()
	o.serveStreams()
	o.serveLate()
	l := newLaptop(t, o)
	l.connects(t)
	l.signsIn(t, startLoginSandbox(t), "--scopes", strings.Join(scopesOfJira(), ","))

	for name, test := range map[string]func(*testing.T, *laptop){
		"clients": clientsWork, "two accounts": twoAccountsWork, "by rule": rulesWork, "past the office's proxy": directWorks,
		"elsewhere": placeholdersStay, "tunnel": tunnelsAreUntouched, "large": largeBodiesPass, "git": gitWorks,
		"sse": eventsPassAtOnce, "websocket": webSocketsWork, "talk": talksWork, "atlassian": atlassianWorks, "mcp": mcpAtlassianWorks,
		"isolated": isolationHolds, "login": loginsAreSeen, "two runs": runsAreApart,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, l)
		})
	}
}

// startLoginSandbox is a sandbox that sends the browser back to logins on its enginePort.
func startLoginSandbox(t *testing.T, args ...string) *sandbox {
	t.Helper()
	port := freePort(t)
	s := startSandbox(t, append(args, "--callback", fmt.Sprintf("http://127.0.0.1:%d/callback", port))...)
	s.enginePort = port
	return s
}

// serveAPI answers any path of the API, and takes files there.
func (o *office) serveAPI() {
	o.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintln(w, "served", r.URL.Path) })
	o.mux.HandleFunc("PUT /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.New()
		n, err := io.Copy(sum, r.Body)
		_, _ = fmt.Fprintf(w, "%d %x %v\n", n, sum.Sum(nil), err)
	})
	o.mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(largeFile()) })
}

const (
	requestsClient = `import os, sys, requests
r = requests.get(sys.argv[1], headers={"Authorization": "Bearer " + os.environ["TEA_TOKEN"]}, timeout=60)
r.raise_for_status(); print(r.text)`
	httpxClient = `import os, sys, httpx
r = httpx.get(sys.argv[1], headers={"Authorization": "Bearer " + os.environ["TEA_TOKEN"]}, timeout=60)
r.raise_for_status(); print(r.text)`
	urllibClient = `import os, sys, urllib.request as u
print(u.urlopen(u.Request(sys.argv[1], headers={"Authorization": "Bearer " + os.environ["TEA_TOKEN"]}), timeout=60).read().decode())`
)

// clientsWork: each sends the placeholder that it finds in its environment, and has to be set up in no way.
func clientsWork(t *testing.T, l *laptop) {
	for _, c := range []struct {
		name string
		part part
		argv []string
	}{
		{name: "curl", argv: []string{"/bin/sh", "-c", `exec curl -fsS -H "Authorization: Bearer $TEA_TOKEN" "$0"`}},
		{name: "go", argv: asGo(t, "get")},
		{name: "requests", part: partPython, argv: []string{pythonBinary(t), "-c", requestsClient}},
		{name: "httpx", part: partPython, argv: []string{pythonBinary(t), "-c", httpxClient}},
		{name: "urllib", part: partPython, argv: []string{pythonBinary(t), "-c", urllibClient}},
		{name: "fetch", part: partNode, argv: []string{nodeBinary(t), absolute(t, "node/get.mjs"), "fetch"}},
		{name: "https", part: partNode, argv: []string{nodeBinary(t), absolute(t, "node/get.mjs"), "https"}},
		{name: "axios", part: partNode, argv: []string{nodeBinary(t), absolute(t, "node/get.mjs"), "axios"}},
		{name: "axios-before", part: partNode, argv: []string{nodeBinary(t), absolute(t, "node/get.mjs"), "axios-before"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.part != "" {
				need(t, c.part)
			}
			path := "/client/" + c.name
			r := l.runs(t, append(c.argv, "https://"+apiHost+path)...)
			if r.code != 0 || !strings.Contains(r.stdout, "served "+path) {
				t.Errorf("got code %d and %q, want the answer\n%s", r.code, r.stdout, r.stderr)
			}
			l.sawOnce(t, apiHost, path, "Bearer "+l.keys.of("tea"))
		})
	}
}

// twoAccountsWork: the default connection and another one at once, each by the placeholder under its name.
func twoAccountsWork(t *testing.T, l *laptop) {
	r := l.runsWith(t, []string{"--as", "both"}, "/bin/sh", "-ec", `
		curl -fsS -H "Authorization: Bearer $TEA_TOKEN" "$0/default"
		curl -fsS -H "Authorization: Bearer $TEA_TOKEN__WORK" "$0/work"
		curl -fsS -u "me:$TEA_TOKEN__WORK" "$0/basic"
		curl -fsS "$0/query?key=$TEA_TOKEN__WORK"`, "https://"+apiHost+"/accounts")
	if r.code != 0 {
		t.Errorf("got code %d\n%s", r.code, r.stderr)
	}
	l.sawOnce(t, apiHost, "/accounts/default", "Bearer "+l.keys.of("tea"))
	l.sawOnce(t, apiHost, "/accounts/work", "Bearer "+l.keys.of("tea/work"))
	l.sawOnce(t, apiHost, "/accounts/basic", "Basic "+base64.StdEncoding.EncodeToString([]byte("me:"+l.keys.of("tea/work"))))
	l.sawOnce(t, apiHost, "/accounts/query", "")
	for path, name := range map[string]string{"/accounts/default": "default", "/accounts/work": "work"} {
		if e := l.logged(t, "both", path); len(e) != 1 || e[0].Provider != "tea" || e[0].Connection != name || e[0].Outcome != "ok" || e[0].Status != 200 {
			t.Errorf("the log has %+v of %s, want one use of the connection %s", e, path, name)
		}
	}
}

// rulesWork: who sends no credential, or one of its own, gets the default connection's; a run that was given one
// connection gets that one.
func rulesWork(t *testing.T, l *laptop) {
	l.runs(t, "curl", "-fsS", "https://"+apiHost+"/rule/none")
	l.sawOnce(t, apiHost, "/rule/none", "Bearer "+l.keys.of("tea"))
	l.runs(t, "curl", "-fsS", "-H", "Authorization: Bearer something of its own", "https://"+apiHost+"/rule/own")
	l.sawOnce(t, apiHost, "/rule/own", "Bearer "+l.keys.of("tea"))
	r := l.runsWith(t, []string{"--connection", "tea/work"}, "curl", "-fsS", "https://"+apiHost+"/rule/only")
	l.sawOnce(t, apiHost, "/rule/only", "Bearer "+l.keys.of("tea/work"))
	if strings.Contains(r.childEnvironment, "FORGE_TOKEN") {
		t.Error("the run has the placeholder of a connection that it was not given")
	}
}

// directWorks: without a company's proxy, to an address on this machine.
func directWorks(t *testing.T, l *laptop) {
	direct := *l
	direct.env = nil
	for _, variable := range l.env {
		if !strings.HasPrefix(variable, "HTTP") {
			direct.env = append(direct.env, variable)
		}
	}
	host := fmt.Sprintf("127.0.0.1:%d", l.port)
	for _, version := range []string{"--http1.1", "--http2"} {
		direct.runs(t, "curl", "-fsS", version, "https://"+host+"/direct/"+version)
		l.sawOnce(t, host, "/direct/"+version, "Bearer "+l.keys.of("tea"))
		if got, want := l.visits("/direct/" + version)[0].protocol, map[string]string{"--http1.1": "HTTP/1.1", "--http2": "HTTP/2.0"}[version]; got != want {
			t.Errorf("the server was asked by %s, want %s", got, want)
		}
	}
}

// placeholdersStay: a placeholder on its way to a host that is not its connection's is refused, nothing arrives
// there, and the log tells of it.
func placeholdersStay(t *testing.T, l *laptop) {
	for _, url := range []string{"https://" + gitHost + "/elsewhere/host", "http://" + plainHost + "/elsewhere/plain"} {
		r := l.runsWith(t, []string{"--as", "straying"}, "/bin/sh", "-c", `exec curl -sS -o /dev/stdout -w '%{http_code}\n' -H "Authorization: Bearer $TEA_TOKEN" "$0"`, url)
		if !strings.Contains(r.stdout, "placeholder_elsewhere") || !strings.HasSuffix(r.stdout, "\n403\n") {
			t.Errorf("%s: got %q, want 403 and the code placeholder_elsewhere", url, r.stdout)
		}
	}
	for _, path := range []string{"/elsewhere/host", "/elsewhere/plain"} {
		if n := len(l.visits(path)); n != 0 {
			t.Errorf("%d requests arrived at %s, want none", n, path)
		}
		if e := l.logged(t, "straying", path); len(e) != 1 || e[0].Outcome != "permission_denied" || e[0].Connection != "default" || !strings.Contains(e[0].Reason, "placeholder of") {
			t.Errorf("the log has %+v of %s, want one refusal", e, path)
		}
	}
}

// event is a line of `keybearer log --json`.
type event struct {
	Action, Outcome, Reason, Run, Method, Host, Path string
	Provider, Connection                             string
	Status, Sent, Received                           int64
}

// logged are the lines of a run about a path.
func (l *laptop) logged(t *testing.T, run, path string) []event {
	t.Helper()
	var all struct{ Events []event }
	l.tells(t, &all, "log", "--lines", "1000")
	var found []event
	for _, e := range all.Events {
		if e.Run == run && e.Path == path {
			found = append(found, e)
		}
	}
	return found
}

// tunnelsAreUntouched: where no connection serves the host, the program sees the server's own certificate, and the
// server what the program sent.
func tunnelsAreUntouched(t *testing.T, l *laptop) {
	for host, untouched := range map[string]bool{plainHost: true, apiHost: false} {
		r := l.runs(t, asGo(t, "issuer", "https://"+host+"/tunnel/"+host)...)
		if own := r.stdout == authorityName+"\n"; r.code != 0 || own != untouched {
			t.Errorf("%s: the certificate is signed by %q; the server's own: %v, want %v\n%s", host, r.stdout, own, untouched, r.stderr)
		}
	}
	l.runs(t, "curl", "-fsS", "-H", "Authorization: Bearer something of its own", "https://"+plainHost+"/tunnel/own")
	l.sawOnce(t, plainHost, "/tunnel/own", "Bearer something of its own")
}

// largeFile is 10 MB that are not all the same.
func largeFile() []byte {
	text := make([]byte, 10<<20)
	for i, state := 0, uint32(1); i < len(text); i++ {
		state = state*1664525 + 1013904223
		text[i] = byte(state >> 24)
	}
	return text
}

// largeBodiesPass: up and down, with an injected credential and through a tunnel.
func largeBodiesPass(t *testing.T, l *laptop) {
	file := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(file, largeFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("%d %x <nil>\n", 10<<20, sha256.Sum256(largeFile()))
	for _, host := range []string{apiHost, plainHost} {
		for _, version := range []string{"--http1.1", "--http2"} {
			r := l.runs(t, "curl", "-fsS", version, "-T", file, "https://"+host+"/files/up")
			if r.code != 0 || r.stdout != want {
				t.Errorf("up to %s by %s: got code %d and %q, want %q\n%s", host, version, r.code, r.stdout, want, r.stderr)
			}
			r = l.runs(t, "curl", "-fsS", version, "https://"+host+"/files/down")
			if r.code != 0 || r.stdout != string(largeFile()) {
				t.Errorf("down from %s by %s: got code %d and %d bytes, which are others\n%s", host, version, r.code, len(r.stdout), r.stderr)
			}
		}
	}
}
