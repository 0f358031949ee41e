package vault_test

import (
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
	words bytes.Buffer
}

func start(t *testing.T, name string, h *home) *process {
	t.Helper()
	text, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{Cmd: exec.CommandContext(t.Context(), os.Args[0], string(text))}
	p.Env = append(os.Environ(), part+"="+name)
	p.Stdout, p.Stderr = &p.words, &p.words
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

// wait wants the process to end well, and gives what it said.
func (p *process) wait(t *testing.T) string {
	t.Helper()
	if err := p.Wait(); err != nil {
		t.Fatalf("%v: %s", err, p.words.String())
	}
	return p.words.String()
}
