package sqlstore_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"go.uber.org/goleak"
)

// part is the environment variable that makes this test binary play another process.
const part = "KEYBEARER_SQLSTORE_TEST_PART"

func TestMain(m *testing.M) {
	play, ok := parts()[os.Getenv(part)]
	if !ok {
		goleak.VerifyTestMain(m)
		return
	}
	if err := play(context.Background(), os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// parts are what other processes do with the database at a path.
func parts() map[string]func(ctx context.Context, path string, out io.Writer) error {
	return map[string]func(context.Context, string, io.Writer) error{
		"hold":       hold,
		"full":       full,
		"fullbackup": fullBackup,
		"follow":     follow,
		"move":       move,
	}
}

// process is this test binary in another part.
type process struct {
	*exec.Cmd
	lines *bufio.Scanner
}

func start(t *testing.T, name, path string) *process {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], path)
	cmd.Env = append(os.Environ(), part+"="+name)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return &process{Cmd: cmd, lines: bufio.NewScanner(out)}
}

// kill ends the process as a crash does, and waits for it.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for p.lines.Scan() { // what it had said before
	}
	if err := p.Wait(); err == nil {
		t.Fatal("the process ended well, want it killed")
	}
}
