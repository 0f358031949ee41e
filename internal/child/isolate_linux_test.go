package child_test

import (
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/keybearer/keybearer/internal/child"
)

// canIsolate reports whether this kernel lets us, which unshare(1) knows, too. Where not, the refusal has to be the sentence.
func canIsolate(t *testing.T) bool {
	t.Helper()
	unshare := exec.Command("unshare", "--user", "--net", "true").Run()
	_, code, words := run(t, order{Proxy: "http://127.0.0.1:9", Isolate: true, Argv: []string{"true"}})
	if code == 0 {
		return true
	}
	if unshare == nil {
		t.Fatalf("this kernel has namespaces, but: %s", words)
	}
	checkRefusal(t, code, words)
	return false
}

func checkRefusal(t *testing.T, code int, words string) {
	t.Helper()
	if code != 125 || !strings.Contains(words, "cannot be isolated") || !strings.Contains(words, "Nothing was started") {
		t.Errorf("code %d, says %q", code, words)
	}
}

func TestIsolatedChildReachesTheProxyOnly(t *testing.T) {
	if !canIsolate(t) {
		return
	}
	p := newProxy(t)
	other, at := listening(t), strings.TrimPrefix(p.url[strings.Index(p.url, "@"):], "@")
	out, code, words := run(t, order{
		Proxy: p.url, CA: p.ca, Isolate: true,
		Argv: []string{self(t), asChild, "dial", other, at, "192.0.2.1:443", "example.com:443"},
	})
	want := other + ": false\n" + at + ": true\n192.0.2.1:443: false\nexample.com:443: false\n"
	if code != 0 || out != want {
		t.Errorf("code %d, got %q, want %q; %s", code, out, want, words)
	}
}

// A child that is root outside is not the root that could walk back into the network it came from.
func TestIsolatedChildCannotLeave(t *testing.T) {
	if !canIsolate(t) {
		return
	}
	if _, err := exec.LookPath("nsenter"); err != nil {
		t.Fatal("nsenter is missing: install util-linux")
	}
	_, code, words := run(t, order{Proxy: "http://127.0.0.1:9", Isolate: true, Argv: []string{
		"sh", "-c", `nsenter -t $PPID -n true || nsenter -t 1 -n true || { cat /proc/$PPID/environ >/dev/null; } || exit 77`,
	}})
	if code != 77 {
		t.Errorf("code %d: it has entered another network, or read our memory; %s", code, words)
	}
}

func TestIsolatedExitCodes(t *testing.T) {
	if !canIsolate(t) {
		return
	}
	for _, c := range []struct {
		argv []string
		code int
		says string
	}{
		{[]string{"sh", "-c", "exit 42"}, 42, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, 143, ""},
		{[]string{"kb-no-such-program"}, 127, "no such program"},
		{[]string{"/proc/version"}, 126, "not executable"},
		{[]string{broken(t)}, 126, "interpreter"},
	} {
		_, code, words := run(t, order{Proxy: "http://127.0.0.1:9", Isolate: true, Argv: c.argv})
		if code != c.code || !strings.Contains(words, c.says) {
			t.Errorf("%v: code %d, want %d; says %q, want %q", c.argv, code, c.code, words, c.says)
		}
	}
}

// Where user namespaces are used up the run is refused: a limit of none is set in one, and the runner started in there.
func TestIsolationIsRefused(t *testing.T) {
	if !canIsolate(t) {
		return
	}
	cmd := runnerCommand(t, order{Proxy: "http://127.0.0.1:9", Isolate: true, Argv: []string{"echo", "started"}})
	cmd.Args = append([]string{"unshare", "-Ur", "sh", "-c", `echo 0 >/proc/sys/user/max_user_namespaces && exec "$0" "$@"`}, cmd.Args...)
	path, err := exec.LookPath("unshare")
	if err != nil {
		t.Fatal("unshare is missing: install util-linux")
	}
	cmd.Path = path
	words, err := cmd.CombinedOutput()
	if err == nil || strings.Contains(string(words), "started\n") {
		t.Errorf("it ran: %s", words)
	}
	checkRefusal(t, cmd.ProcessState.ExitCode(), string(words))
	if !strings.Contains(string(words), "max_user_namespaces") {
		t.Errorf("does not say what to do: %s", words)
	}
}

// What carries the child's connections ends with the run, also for those that the child leaves open.
func TestRunLeavesNothingBehind(t *testing.T) {
	if !canIsolate(t) {
		return
	}
	before, p := goleak.IgnoreCurrent(), newProxy(t)
	address, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	code, err := child.Run(t.Context(), child.Config{
		Argv: []string{self(t), asChild, "hold", address.Host}, Env: os.Environ(), Proxy: address, Isolate: true,
	})
	if code != 0 || err != nil {
		t.Fatal(code, err)
	}
	p.stop()
	goleak.VerifyNone(t, before)
}

func listening(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}
