//go:build unix

package child_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const placeholder = "http://run:placeholder@127.0.0.1:40123"

func TestEnvironmentIsTheParentsWithoutWhatIsStripped(t *testing.T) {
	got := environmentOf(t, order{
		Env: []string{
			"HOME=/home/alice", "EMPTY=", "SPACES= a b ", "EQUALS=a=b", "TWICE=first", "TWICE=second", "no equals sign", "=odd",
			"KEYBEARER_ROOT_KEY=plain", "KEYBEARER_API_KEY=plain", "KEYBEARERS=stays", "OPENAI_API_KEY=plain", "BROKER_SOCKET=/run/broker", "GONE=",
		},
		Strip: []string{"KEYBEARER_*", "BROKER_SOCKET", "GONE", "NOT_THERE"},
		Set:   map[string]string{"OPENAI_API_KEY": "placeholder", "KEYBEARER_RUN": "one", "HOME": "/home/alice"},
	})
	want := map[string]string{
		"HOME": "/home/alice", "EMPTY": "", "SPACES": " a b ", "EQUALS": "a=b", "TWICE": "second", "KEYBEARERS": "stays",
		"OPENAI_API_KEY": "placeholder", "KEYBEARER_RUN": "one",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the child's environment (-want +got):\n%s", diff)
	}
}

func TestEverythingStarStripsAll(t *testing.T) {
	got := environmentOf(t, order{Env: []string{"A=1", "B=2"}, Strip: []string{"*"}, Set: map[string]string{"C": "3"}})
	if diff := cmp.Diff(map[string]string{"C": "3"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestProxyIsNamedWhereProgramsLook(t *testing.T) {
	got := environmentOf(t, order{
		Env: []string{
			"https_proxy=http://corporate:3128", "NO_PROXY=internal.example, api.served.test ,.served.test,10.0.0.0/8", "no_proxy=build.example",
			"npm_config_https_proxy=http://corporate:3128", "grpc_proxy=http://corporate:3128", "NPM_CONFIG_PROXY=http://corporate:3128",
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=user.name", "GIT_CONFIG_VALUE_0=Alice",
		},
		Proxy: placeholder, Hosts: []string{"api.served.test"},
	})
	for _, name := range []string{
		"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy",
		"CARGO_HTTP_PROXY", "PIP_PROXY", "npm_config_proxy", "npm_config_https_proxy", "GIT_CONFIG_VALUE_1",
	} {
		if got[name] != placeholder {
			t.Errorf("%s is %q, want the proxy", name, got[name])
		}
	}
	for name, want := range map[string]string{
		"NO_PROXY": "build.example,internal.example,10.0.0.0/8,localhost,127.0.0.1,::1", "no_proxy": got["NO_PROXY"],
		"NODE_USE_ENV_PROXY": "1", "GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name", "GIT_CONFIG_KEY_1": "http.proxy",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for name, value := range got {
		if strings.Contains(value, "corporate") {
			t.Errorf("%s still leads around the run's proxy: %s", name, value)
		}
	}
}

// An isolated child reaches nothing directly, so that all has to go through the proxy, which is on its own loopback.
func TestIsolatedChildIsSentThroughTheProxyForAll(t *testing.T) {
	if !canIsolate(t) {
		return
	}
	got := environmentOf(t, order{
		Env:   []string{"NO_PROXY=internal.example", "no_proxy=internal.example"},
		Proxy: "http://run:placeholder@localhost:40123", Hosts: []string{"127.0.0.1:8080"}, Isolate: true,
	})
	for name, want := range map[string]string{"https_proxy": placeholder, "NO_PROXY": "localhost,::1,127.0.0.1:40123", "no_proxy": "localhost,::1,127.0.0.1:40123"} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
}

func TestWithoutProxyNothingIsAdded(t *testing.T) {
	got := environmentOf(t, order{Env: []string{"A=1", "HTTPS_PROXY=http://corporate:3128"}, CA: "ignored"})
	if diff := cmp.Diff(map[string]string{"A": "1", "HTTPS_PROXY": "http://corporate:3128"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// certificate is a text in PEM that can be told from others.
func certificate(text string) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte(text)}))
}

func TestRootsAreTheUsersAndTheRuns(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	corporate, forGit, forNode := certificate("corporate"), certificate("for git"), certificate("for node")
	write("folder/a.pem", certificate("a"))
	write("folder/README", "no certificate")
	env := []string{
		"SSL_CERT_FILE=" + write("corporate.pem", strings.TrimSpace(corporate)), // no line end
		"GIT_SSL_CAINFO=" + write("git.pem", forGit),
		"NODE_EXTRA_CA_CERTS=" + write("node.pem", forNode),
		"REQUESTS_CA_BUNDLE=" + filepath.Join(dir, "folder"),
		"PIP_CERT=" + filepath.Join(dir, "missing.pem"),
		"JAVA_TOOL_OPTIONS=-Xmx1g",
		"TMPDIR=" + dir,
	}
	o := order{Env: env, Proxy: placeholder, CA: certificate("the run"), Argv: []string{self(t), asChild, "roots"}}
	t.Setenv("TMPDIR", dir)
	out, code, words := run(t, o)
	if code != 0 {
		t.Fatalf("code %d: %s", code, words)
	}
	for name, want := range map[string]string{
		"SSL_CERT_FILE": "corporate|the run", "CURL_CA_BUNDLE": "corporate|the run", "AWS_CA_BUNDLE": "corporate|the run",
		"PIP_CERT": "corporate|the run", "GIT_SSL_CAINFO": "for git|the run", "REQUESTS_CA_BUNDLE": "a|the run",
		"NODE_EXTRA_CA_CERTS": "for node|the run", "DENO_CERT": "the run",
	} {
		if line := name + " -rw------- drwx------ " + want + "\n"; !strings.Contains(out, line) {
			t.Errorf("want %q in:\n%s", line, out)
		}
	}
	if !strings.Contains(out, "JAVA_TOOL_OPTIONS -Xmx1g -Djavax.net.ssl.trustStore=") {
		t.Errorf("the user's own options are lost:\n%s", out)
	}
	checkNothingLeft(t, dir)
}

// checkNothingLeft: no run's folder is left in dir.
func checkNothingLeft(t *testing.T, dir string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, "keybearer-run-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFolderIsGoneHoweverTheChildEnds(t *testing.T) {
	for name, argv := range map[string][]string{
		"in order":       {"true"},
		"failed":         {"false"},
		"killed":         {"sh", "-c", "kill -KILL $$"},
		"never started":  {broken(t)},
		"was not found":  {"kb-no-such-program"},
		"in mid-writing": {"sh", "-c", `touch "${SSL_CERT_FILE%/*}/its-own"`},
	} {
		for _, isolate := range []bool{false, true} {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			run(t, order{Argv: argv, Proxy: placeholder, CA: certificate("the run"), Isolate: isolate})
			checkNothingLeft(t, dir)
			if t.Failed() {
				t.Fatalf("when it %s, isolated %v", name, isolate)
			}
		}
	}
}

func TestNoRoomForTheFolderIsSaid(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "missing"))
	out, code, words := run(t, order{Argv: []string{"echo", "started"}, Proxy: placeholder, CA: certificate("the run")})
	if code != 125 || out != "" || !strings.Contains(words, "set TMPDIR") {
		t.Errorf("code %d, %q, %q", code, out, words)
	}
}

// The words of the proxy are secrets of the run: they are in variables, which only the child's owner can read, and in
// nothing that is printed.
func TestSecretIsInNoWords(t *testing.T) {
	for _, o := range []order{
		{Proxy: "https://run:placeholder@127.0.0.1:40123", Argv: []string{"true"}},
		{Proxy: "http://run:placeholder@127.0.0.1", Argv: []string{"true"}},
		{Proxy: placeholder, Argv: []string{"kb-no-such-program"}},
		{Proxy: placeholder, Argv: []string{"true"}, Dir: "/kb/no/such/folder"},
	} {
		_, code, words := run(t, o)
		if code == 0 || strings.Contains(words, "placeholder") || words == "" {
			t.Errorf("code %d, says %q", code, words)
		}
	}
	if java := environmentOf(t, order{Proxy: placeholder, CA: certificate("the run")})["JAVA_TOOL_OPTIONS"]; strings.Contains(java, "placeholder") {
		t.Errorf("every JVM prints this: %s", java)
	}
}

func TestChildStartsWhereItIsTold(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "here"), []byte("#!/bin/sh\npwd\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, isolate := range slices.Compact([]bool{false, canIsolate(t)}) {
		out, code, words := run(t, order{Argv: []string{"./here"}, Dir: dir, Isolate: isolate, Proxy: placeholder})
		if code != 0 || out != dir+"\n" {
			t.Errorf("code %d, %q, want %q; %s", code, out, dir, words)
		}
	}
}
