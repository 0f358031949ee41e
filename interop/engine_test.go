package interop_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// binaryVariable names the engine under test. TestMain builds one when it is not
// set; whoever sets it tests a binary of his own, a race-enabled one for instance.
const binaryVariable = "KEYBEARER_BINARY"

// TestMain builds the binary that every test drives, unless it is to be one of the clients that they drive.
func TestMain(m *testing.M) {
	if client := os.Getenv(clientVariable); client != "" {
		os.Exit(goClient(client, os.Args[1:]))
	}
	os.Exit(func() int {
		if os.Getenv(binaryVariable) != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "keybearer-interop-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "making a folder for the binary:", err)
			return 1
		}
		defer os.RemoveAll(dir)

		binary := filepath.Join(dir, "keybearer")
		build := exec.Command("go", "build", "-o", binary, "../cmd/keybearer")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "building keybearer:", err)
			return 1
		}
		if err := os.Setenv(binaryVariable, binary); err != nil {
			fmt.Fprintln(os.Stderr, "naming the binary:", err)
			return 1
		}
		return m.Run()
	}())
}

// built is the program under test.
func built() string { return os.Getenv(binaryVariable) }

// What these tests assume of the command line stands in these two functions.

func serveArgs(config, data string) []string {
	return []string{"serve", "--config", config, "--data", data}
}

func sandboxArgs(address, control, callback string) []string {
	return []string{"sandbox", "--listen", address, "--control", control, "--callback", callback}
}

// providerConfig is one entry of auth.providers, with the environment that it refers to.
type providerConfig struct {
	yaml    string
	env     []string
	secrets []string // must appear nowhere but in the environment
}

// engineOptions turn what a test is about; the zero value is an engine without
// providers that lets every user through and asks nobody to confirm.
type engineOptions struct {
	port        int // default any
	publicHost  string
	verifierURL string
	confirmPage string // default never
	callback    string // auth.callback, default per_provider
	providers   []providerConfig
	sections    []providerConfig // of the file, beside api and auth
	args        []string         // added to the command line
}

// engine is a running `keybearer serve` with a database of its own.
type engine struct {
	URL  string
	Key  string
	data string

	command command
	process *process
	past    []*process // before restarts
	private []string   // what must be in no log and, in the clear, in no file of the data folder
}

// startEngine runs the real binary and waits until it calls itself healthy. At the
// end of the test it looks through the engine's logs and files for secrets.
func startEngine(t *testing.T, o engineOptions) *engine {
	t.Helper()
	if o.port == 0 {
		o.port = freePort(t)
	}

	dir := t.TempDir()
	config := filepath.Join(dir, "engine.yaml")
	if err := os.WriteFile(config, []byte(o.yaml()), 0o600); err != nil {
		t.Fatalf("writing engine.yaml: %v", err)
	}

	e := &engine{
		URL:  fmt.Sprintf("http://127.0.0.1:%d", o.port),
		Key:  nonce("arc"),
		data: filepath.Join(dir, "data"),
	}
	e.private = append(e.private, e.Key)
	env := []string{"KEYBEARER_API_KEY=" + e.Key, "KEYBEARER_ADMIN_PASSWORD=" + nonce("admin")}
	for _, p := range slices.Concat(o.providers, o.sections) {
		env = append(env, p.env...)
		e.private = append(e.private, p.secrets...)
	}

	e.command = command{
		path: os.Getenv(binaryVariable), dir: dir, env: env,
		args: append(serveArgs(config, e.data), o.args...),
	}
	e.process = run(t, "keybearer serve", e.command)
	e.waitHealthy(t)
	t.Cleanup(func() { e.keptItsSecrets(t) })
	return e
}

func (o engineOptions) yaml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "api:\n  host: 127.0.0.1\n  port: %d\n", o.port)
	if o.publicHost != "" {
		fmt.Fprintf(&b, "  public_host: %q\n", o.publicHost)
	}
	b.WriteString("auth:\n  session_verification:\n")
	if o.verifierURL != "" {
		fmt.Fprintf(&b, "    verifier_url: %q\n", o.verifierURL)
	} else {
		b.WriteString("    unsafe_skip_verification: true\n")
	}
	if o.confirmPage == "" {
		o.confirmPage = "never"
	}
	fmt.Fprintf(&b, "  confirm_page: %s\n", o.confirmPage)
	if o.callback != "" {
		fmt.Fprintf(&b, "  callback: %s\n", o.callback)
	}
	b.WriteString("  providers:\n")
	for _, p := range o.providers {
		for line := range strings.Lines(strings.TrimPrefix(p.yaml, "\n")) {
			b.WriteString("    " + line)
		}
	}
	if len(o.providers) == 0 {
		b.WriteString("    []\n")
	}
	for _, s := range o.sections {
		b.WriteString(strings.TrimPrefix(s.yaml, "\n"))
	}
	return b.String()
}

func (e *engine) waitHealthy(t *testing.T) {
	t.Helper()
	waitReady(t, e.process, e.URL+"/v1/health", func(resp *http.Response) bool {
		var health struct {
			Healthy bool `json:"healthy"`
		}
		return resp.StatusCode == http.StatusOK && json.NewDecoder(resp.Body).Decode(&health) == nil && health.Healthy
	})
}

// guards adds a value that the engine must neither log nor store in the clear.
func (e *engine) guards(values ...string) { e.private = append(e.private, values...) }

// restart stops the engine and starts it again on the same folder and port.
func (e *engine) restart(t *testing.T) {
	t.Helper()
	e.process.stop()
	e.startAgain(t)
}

// crash kills the engine, which gets no chance to write anything, and starts it again.
func (e *engine) crash(t *testing.T) {
	t.Helper()
	if err := e.process.cmd.Process.Kill(); err != nil {
		t.Fatalf("killing the engine: %v", err)
	}
	<-e.process.ended
	e.startAgain(t)
}

func (e *engine) startAgain(t *testing.T) {
	t.Helper()
	e.past = append(e.past, e.process)
	e.process = run(t, "keybearer serve", e.command)
	e.waitHealthy(t)
}

func (e *engine) keptItsSecrets(t *testing.T) {
	t.Helper()
	e.process.stop() // so that the last lines and pages are written

	var lines []string
	for _, p := range append(e.past, e.process) {
		lines = append(append(lines, p.stdout.all()...), p.stderr.all()...)
	}
	printed := strings.Join(lines, "\n")
	stored := map[string]string{}
	err := filepath.WalkDir(e.data, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		stored[path] = string(content)
		return err
	})
	if err != nil {
		t.Errorf("reading the data folder: %v", err)
	}

	for i, secret := range e.private {
		if secret == "" {
			t.Errorf("guarded value %d is empty", i)
			continue
		}
		if strings.Contains(printed, secret) {
			t.Errorf("the engine printed a secret (number %d of this test's)", i)
		}
		for path, content := range stored {
			if strings.Contains(content, secret) {
				t.Errorf("the engine stored a secret (number %d of this test's) in the clear in %s", i, filepath.Base(path))
			}
		}
	}
}

// sharedCallback is where every provider sends the browser back to with auth.callback: shared.
func sharedCallback(port int) string {
	return fmt.Sprintf("http://127.0.0.1:%d/api/v1/oauth/callback", port)
}

// callback is where a provider from the file sends the browser back to.
func callback(port int, providerID string) string {
	return fmt.Sprintf("http://127.0.0.1:%d/api/v1/oauth/%s/callback", port, providerID)
}

// waitReady asks url, less and less often, until ready likes the answer.
func waitReady(t *testing.T, p *process, url string, ready func(*http.Response) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	pause := 5 * time.Millisecond
	for !answers(ctx, url, ready) {
		if p.hasEnded() {
			t.Fatalf("%s ended before it was ready: %v; it wrote:\n%s\n%s", p.name, p.cmd.ProcessState, p.stdout.tail(40), p.stderr.tail(40))
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s was not ready after %s", p.name, patience)
		case <-time.After(pause):
			pause = min(2*pause, 200*time.Millisecond)
		}
	}
}

func answers(ctx context.Context, url string, ready func(*http.Response) bool) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return ready(resp)
}

// freePort is a port that nobody listens on. Two servers here must know one
// another's address before either runs, so one of them cannot choose for itself.
func freePort(t *testing.T) int {
	t.Helper()
	port, err := portToListenOn()
	if err != nil {
		t.Fatalf("finding a free port: %v", err)
	}
	return port
}

// nextPort begins somewhere below the ports that systems hand out for ":0": nobody else is given one of those while it is free for a
// moment, and here each is given once.
var nextPort = sync.OnceValue(func() *atomic.Uint32 {
	next := new(atomic.Uint32)
	next.Store(uint32(os.Getpid()) * 97) // test binaries run side by side
	return next
})

// portToListenOn finds a port that nothing listens on.
func portToListenOn() (int, error) {
	for range 1000 {
		port := 12_000 + int(nextPort().Add(1)%20_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("a thousand ports are taken")
}

// nonce is a value that occurs nowhere else, recognizable by its prefix.
func nonce(prefix string) string { return prefix + "_" + rand.Text() }
