package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the keybearer of the scripts: what they run is a process of its
// own, with signals and exit codes.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"keybearer": main, "browser": browse})
}

// TestScripts runs the transcripts in testdata. Beside testscript's own commands they have
//
//	freeport NAME       puts a free TCP port into the variable NAME
//	healthy URL         waits until the engine there calls itself healthy
//	answers URL         waits until a GET there is answered with 200
//	get URL [KEY]       prints the body of a GET, and fails if its status is no success
//	post URL KEY JSON   prints the body of a POST, and fails if its status is no success
//	secretof FILE NAME  puts the API key that a first start printed into FILE into the variable NAME
//	idof FILE KEY NAME  puts the id of the first API key of that name, as listed in FILE, into the variable NAME
//	mode FILE BITS      checks a file's permissions
//	fill CONFIG DIR N   stores N connections in the database of a data folder, while no engine runs on it
//	sealed KEY N        waits until at least N values are sealed with a key
//	consents USER PROVIDER SCOPE...  authorizes a user by the engine's page; the sandbox has to decide by itself
//	control URL JSON [NAME]  sends a command to a sandbox's control API; a token in its answer goes into the variable NAME
//	inmanual FILE       wants the last output, but for ports, ids and dates, word for word in a file of docs
//	exitcode CODE COMMAND...  runs a command that has to end with that code
//	awaits REGEXP COMMAND...  runs a command until its output has that
//	waitsfor FILE       waits until the file is there
//	aged CONFIG DIR DURATION  moves the stored consents back in time, while no engine runs
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error { // where a vault goes that nobody names a folder for
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"freeport": freeportCommand,
			"healthy":  healthyCommand,
			"answers":  answersCommand,
			"get":      fetchCommand,
			"post":     postCommand,
			"secretof": secretofCommand,
			"idof":     idofCommand,
			"mode":     modeCommand,
			"fill":     fillCommand,
			"sealed":   sealedCommand,
			"consents": consentsCommand,
			"control":  controlCommand,
			"aged":     agedCommand,
			"inmanual": inManualCommand,
			"exitcode": exitCodeCommand,
			"awaits":   awaitsCommand,
			"waitsfor": waitsForCommand,
		},
	})
}

func freeportCommand(ts *testscript.TestScript, _ bool, args []string) {
	port, err := portToListenOn()
	ts.Check(err)
	ts.Setenv(args[0], fmt.Sprint(port))
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

func healthyCommand(ts *testscript.TestScript, _ bool, args []string) {
	awaitAnswer(ts, args[0]+"/v1/health")
}

func answersCommand(ts *testscript.TestScript, _ bool, args []string) { awaitAnswer(ts, args[0]) }

// awaitAnswer waits until a GET is answered with 200.
func awaitAnswer(ts *testscript.TestScript, url string) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		ts.Check(err)
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("%s did not answer with 200", url)
		case <-look.C:
		}
	}
}

func fetchCommand(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	if len(args) > 1 {
		req.Header.Set("Authorization", args[1])
	}
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_, _ = ts.Stdout().Write(body)
	if (res.StatusCode < 300) == neg {
		ts.Fatalf("GET %s: %s", args[0], res.Status)
	}
}

func postCommand(ts *testscript.TestScript, neg bool, args []string) {
	req, err := http.NewRequest(http.MethodPost, args[0], strings.NewReader(args[2]))
	ts.Check(err)
	req.Header.Set("Authorization", args[1])
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	ts.Check(err)
	defer func() { _ = res.Body.Close() }()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	_, _ = ts.Stdout().Write(body)
	if (res.StatusCode < 300) == neg {
		ts.Fatalf("POST %s: %s: %s", args[0], res.Status, body)
	}
}

var keyPattern = regexp.MustCompile(`arc_[A-Z2-7]+`)

func secretofCommand(ts *testscript.TestScript, _ bool, args []string) {
	key := keyPattern.FindString(ts.ReadFile(args[0]))
	if key == "" {
		ts.Fatalf("%s holds no API key", args[0])
	}
	ts.Setenv(args[1], strings.TrimSpace(key))
}

func idofCommand(ts *testscript.TestScript, _ bool, args []string) {
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		if cells := strings.Fields(line); len(cells) > 1 && cells[1] == args[1] {
			ts.Setenv(args[2], cells[0])
			return
		}
	}
	ts.Fatalf("%s lists no key %s", args[0], args[1])
}

func modeCommand(ts *testscript.TestScript, _ bool, args []string) {
	info, err := os.Stat(ts.MkAbs(filepath.FromSlash(args[0])))
	ts.Check(err)
	if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[1] {
		ts.Fatalf("%s has mode %s, want %s", args[0], got, args[1])
	}
}

func exitCodeCommand(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("ended with %d, want %s", code, args[0])
	}
}

func awaitsCommand(ts *testscript.TestScript, _ bool, args []string) {
	wanted := regexp.MustCompile(args[0])
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	over := time.After(20 * time.Second)
	for {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if wanted.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-look.C:
		case <-over:
			ts.Fatalf("the output never had %s", args[0])
		}
	}
}

func waitsForCommand(ts *testscript.TestScript, _ bool, args []string) {
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	over := time.After(20 * time.Second)
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-look.C:
		case <-over:
			ts.Fatalf("%s never came", args[0])
		}
	}
}

// Who adds a command shows what it does, in a transcript and in the manual.
func TestEveryCommandHasATranscriptAndALineInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var transcripts strings.Builder
	for _, path := range scripts {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		transcripts.Write(text)
	}
	for _, c := range rootCommand(world{env: func(string) (string, bool) { return "", false }}).Commands() {
		if !strings.Contains(transcripts.String(), "keybearer "+c.Name()) {
			t.Errorf("keybearer %s has no transcript", c.Name())
		}
		if !regexp.MustCompile("`(keybearer )?" + c.Name() + "\\b").Match(manual) {
			t.Errorf("docs/cli.md does not have keybearer %s", c.Name())
		}
	}
}

func TestExitCodesAreStable(t *testing.T) {
	nothing := func(string) (string, bool) { return "", false }
	unreachable := func(name string) (string, bool) {
		switch name {
		case keyVariable:
			return "arc_NOT-A-REAL-KEY-AT-ALL", true
		case engineVariable:
			return "http://127.0.0.1:1", true
		}
		return "", false
	}
	for _, c := range []struct {
		args string
		env  func(string) (string, bool)
		want int
		says string
	}{
		{"version", nothing, 0, ""},
		{"help", nothing, 0, ""},
		{"nonsense", nothing, 2, "no command"},
		{"serve --nonsense", nothing, 2, "keybearer serve --help"},
		{"config chek", nothing, 2, "no command \"keybearer config chek\""},
		{"serve now", nothing, 2, "takes no arguments"},
		{"apikey list", nothing, 2, "set KEYBEARER_API_KEY"},
		{"apikey create", nothing, 2, "--name"},
		{"apikey revoke", nothing, 2, "give one key id"},
		{"account add", nothing, 2, "give one user id"},
		{"apikey list", unreachable, 7, "127.0.0.1:1"},
		{"doctor atlassian", nothing, 2, "set KEYBEARER_API_KEY"},
		{"doctor atlassian", unreachable, 7, "127.0.0.1:1"},
		{"doctor jira", nothing, 2, "no command \"keybearer doctor jira\""},
		{"serve --config nowhere.yaml", nothing, 1, "nowhere.yaml"},
	} {
		var out, errs strings.Builder
		got := run(t.Context(), strings.Fields(c.args), world{in: strings.NewReader(""), out: &out, err: &errs, env: c.env})
		if got != c.want || !strings.Contains(errs.String(), c.says) {
			t.Errorf("keybearer %s: got exit code %d and %q, want %d and a word about %q", c.args, got, errs.String(), c.want, c.says)
		}
	}
}
