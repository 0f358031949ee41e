package interop_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// laptop is somebody's machine: a vault, and the built binary.
type laptop struct {
	*office
	sandbox *sandbox // where it has signed in
	home    string   // the vault's folder
	env     []string // of what the person starts
	keys    *keys    // the credentials
}

// keys are credentials, by provider/connection. Logins are made while other programs run.
type keys struct {
	mu    sync.Mutex
	known map[string]string
}

func (k *keys) put(name, key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known[name] = key
}

func (k *keys) of(name string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known[name]
}

func (k *keys) all() map[string]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.known)
}

// newLaptop is one with an empty vault, which is at the office if there is one.
func newLaptop(t *testing.T, o *office) *laptop {
	t.Helper()
	dir := t.TempDir()
	l := &laptop{office: o, home: filepath.Join(dir, "vault"), keys: &keys{known: map[string]string{}}}
	l.env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "KEYBEARER_HOME=" + l.home, "BROWSER=" + clickingBrowser(t)}
	if o != nil {
		l.env = append(l.env, "HTTP_PROXY="+o.ProxyURL, "HTTPS_PROXY="+o.ProxyURL, "SSL_CERT_FILE="+o.roots)
	}
	t.Cleanup(func() { l.keptItsSecrets(t) })
	return l
}

// connects fills the vault by the commands that people use.
func (l *laptop) connects(t *testing.T) {
	t.Helper()
	definitions := filepath.Join(t.TempDir(), "tea.yaml")
	if err := os.WriteFile(definitions, fmt.Appendf(nil, teaYAML, l.port), 0o600); err != nil {
		t.Fatal(err)
	}
	l.does(t, "register", definitions)
	l.takesKey(t, "tea", nonce("tea"))
	l.takesKey(t, "tea/work", nonce("tea"))
	l.takesKey(t, "forge", nonce("forge"))
	l.takesKey(t, "openai", "sk-"+nonce("openai"))
	l.takesKey(t, "github", nonce("ghp"))
}

// teaYAML are providers of one's own: an API at the office and, past its proxy, on this machine; and a forge.
const teaYAML = `
auth:
  providers:
    - id: tea
      oauth2:
        api:
          hosts: [api.tea.example, "127.0.0.1:%d"]
          env: {TEA_TOKEN: token}
    - id: forge
      oauth2:
        api:
          hosts: [git.tea.example]
          scheme: Basic
          env: {FORGE_TOKEN: token}
`

// takesKey stores an API key as provider or provider/connection. It is in the environment of that command alone.
func (l *laptop) takesKey(t *testing.T, name, key string) {
	t.Helper()
	l.keys.put(name, key)
	provider, connection, _ := strings.Cut(name, "/")
	l.with("GIVEN="+key).does(t, "login", provider, "--connection", connection, "--flow", "api_key", "--key-env", "GIVEN", "--port", fmt.Sprint(freePort(t)))
}

// signsIn gets a consent of alice's at a sandbox, and gives the token.
func (l *laptop) signsIn(t *testing.T, s *sandbox, flags ...string) string {
	t.Helper()
	s.control(t, "/control/decision", map[string]string{"answer": "approve", "user": "alice"})
	with := l.with("KEYBEARER_SANDBOX_SECRET=" + s.secret)
	with.does(t, append([]string{"login", "sandbox", "--base-url", s.URL, "--port", fmt.Sprint(s.enginePort)}, flags...)...)
	l.sandbox = s
	l.keys.put("the sandbox's app", s.secret)
	l.keys.put("sandbox", l.token(t))
	return l.keys.of("sandbox")
}

// token is the sandbox's, as the vault gives it out.
func (l *laptop) token(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(l.does(t, "get", "sandbox", "--field", "token", "--show-secret", "--force"))
}

// with is the laptop with more in the environment.
func (l *laptop) with(env ...string) *laptop {
	more := *l
	more.env = append(slices.Clone(l.env), env...)
	return &more
}

// result is how a command ended.
type result struct {
	code             int
	stdout, stderr   string
	childEnvironment string
}

// keybearer runs the built binary to its end.
func (l *laptop) keybearer(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, built(), args...)
	cmd.Env = l.env
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	dieWithParent(cmd)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatalf("keybearer %s: %v", args[0], err)
	}
	return result{code: cmd.ProcessState.ExitCode(), stdout: out.String(), stderr: errs.String()}
}

// does runs a command that has to succeed.
func (l *laptop) does(t *testing.T, args ...string) string {
	t.Helper()
	r := l.keybearer(t, args...)
	if r.code != 0 {
		t.Fatalf("keybearer %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// tells runs a command with --json and decodes what it prints.
func (l *laptop) tells(t *testing.T, v any, args ...string) {
	t.Helper()
	if text := l.does(t, append(args, "--json")...); json.Unmarshal([]byte(text), v) != nil {
		t.Fatalf("keybearer %s printed %q, want JSON", args[0], text)
	}
}

// runs has a program run by `keybearer run`, and sees to it that it held no credential: none is in its
// environment, and none in what it and the proxy printed.
func (l *laptop) runs(t *testing.T, argv ...string) result {
	t.Helper()
	return l.runsWith(t, nil, argv...)
}

func (l *laptop) runsWith(t *testing.T, flags []string, argv ...string) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "environment")
	wrapped := append([]string{"/bin/sh", "-c", `env >"$0" && exec "$@"`, file}, argv...)
	r := l.keybearer(t, slices.Concat([]string{"run", "--verbose"}, flags, []string{"--"}, wrapped)...)
	environment, err := os.ReadFile(file)
	if err != nil && r.code == 0 {
		t.Fatalf("reading the program's environment: %v", err)
	}
	r.childEnvironment = string(environment)
	l.heldNothing(t, r.childEnvironment, r.stdout, r.stderr)
	if strings.Contains(r.childEnvironment, "KEYBEARER_") {
		t.Error("the program's environment has something of Keybearer's own")
	}
	return r
}

// heldNothing looks for the credentials in what a program had and said.
func (l *laptop) heldNothing(t *testing.T, texts ...string) {
	t.Helper()
	for name, key := range l.keys.all() {
		for _, text := range texts {
			if strings.Contains(text, key) {
				t.Errorf("the credential of %s was seen by the program", name)
			}
		}
	}
}

// keptItsSecrets looks for the credentials in the vault's folder.
func (l *laptop) keptItsSecrets(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(l.home); errors.Is(err, fs.ErrNotExist) {
		return // all was done at an engine
	}
	err := filepath.WalkDir(l.home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for name, key := range l.keys.all() {
			if strings.Contains(string(content), key) {
				t.Errorf("the credential of %s stands in the clear in %s", name, filepath.Base(path))
			}
		}
		return err
	})
	if err != nil {
		t.Errorf("reading the vault: %v", err)
	}
}

// sawOnce wants one request for a path, at the host and with the header.
func (l *laptop) sawOnce(t *testing.T, host, path, authorization string) {
	t.Helper()
	l.saw(t, 1, host, path, authorization)
}

func (l *laptop) saw(t *testing.T, times int, host, path, authorization string) {
	t.Helper()
	visits := l.visits(path)
	if len(visits) != times {
		t.Errorf("%d requests for %s, want %d", len(visits), path, times)
	}
	for _, v := range visits {
		if v.host != host || v.authorization != authorization {
			t.Errorf("%s%s came with %.12q…, want it at %s with %.12q…", v.host, path, v.authorization, host, authorization)
		}
		for name := range v.header {
			if strings.HasPrefix(name, "Proxy-") {
				t.Errorf("%s came with the header %s", path, name)
			}
		}
	}
}

// clickingBrowser is a browser for the variable BROWSER: it follows where it is sent and keeps cookies.
func clickingBrowser(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "browser")
	script := fmt.Sprintf("#!/bin/sh\nexport %s=browse\nexec %q \"$1\"\n", clientVariable, self(t))
	if err := os.WriteFile(file, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}
