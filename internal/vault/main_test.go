//go:build unix

package vault_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// part is the environment variable that makes this test binary play another process.
const part = "KEYBEARER_VAULT_TEST_PART"

func TestMain(m *testing.M) {
	play, ok := parts()[os.Getenv(part)]
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	h := new(home)
	err := json.Unmarshal([]byte(os.Args[1]), h)
	if err == nil {
		err = play(context.Background(), h)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parts are what other processes do in a home.
func parts() map[string]func(context.Context, *home) error {
	return map[string]func(context.Context, *home) error{
		"open":  openOnce,
		"rekey": rekey,
		"full":  full,
		"umask": umask,
		"token": token,
	}
}

// process is this test binary in another part.
type process struct {
	*exec.Cmd
	lines *bufio.Scanner
	words bytes.Buffer // of its standard error
}

func start(t *testing.T, name string, h *home) *process {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0], string(text))}
	p.Env = append(os.Environ(), part+"="+name)
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.lines, p.Stderr = bufio.NewScanner(out), &p.words
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// hear waits until the process says something.
func (p *process) hear(t *testing.T, want string) {
	t.Helper()
	if !p.lines.Scan() || p.lines.Text() != want {
		t.Fatalf("the process said %q, want %q: %s", p.lines.Text(), want, p.words.String())
	}
}

// wait wants the process to end well.
func (p *process) wait(t *testing.T) {
	t.Helper()
	if err := p.Wait(); err != nil {
		t.Fatalf("%v: %s", err, p.words.String())
	}
}
