package interop_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for another process. It is long because it is only
// ever used up by a failure; two cores under the race detector can be slow.
const patience = 2 * time.Minute

// command says what to run. The child sees PATH, HOME and env, nothing else of
// the test's environment, so that a developer's own settings change nothing.
type command struct {
	path string
	args []string
	dir  string
	env  []string
}

// process is a child that is stopped and waited for at the end of its test.
type process struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *transcript
	stderr *transcript
	ended  chan struct{}
}

// transcript is what a process has printed so far, line by line.
type transcript struct {
	mu      sync.Mutex
	lines   []string
	closed  bool
	changed chan struct{}
}

// run starts a child. Its standard input stays open until the test is over.
func run(t *testing.T, name string, c command) *process {
	t.Helper()

	cmd := exec.Command(c.path, c.args...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, c.env...)
	dieWithParent(cmd)

	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatalf("connecting %s: %v", name, err)
	}
	p := &process{name: name, cmd: cmd, stdin: stdin, stdout: newTranscript(), stderr: newTranscript(), ended: make(chan struct{})}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatalf("connecting %s: %v", name, err)
	}
	errs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatalf("connecting %s: %v", name, err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}

	var readers sync.WaitGroup
	readers.Go(func() { p.stdout.fill(out) })
	readers.Go(func() { p.stderr.fill(errs) })
	go func() {
		readers.Wait()
		_ = cmd.Wait() // how it ended is in ProcessState
		close(p.ended)
	}()

	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("%s wrote to standard error:\n%s", name, p.stderr.tail(40))
		}
	})
	return p
}

// stop asks the child to end, insists when it does not, and waits for it.
func (p *process) stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// hasEnded says whether the child is gone, for loops that wait for it to be ready.
func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// tell writes one JSON line to the child.
func (p *process) tell(t *testing.T, line any) {
	t.Helper()
	text, err := json.Marshal(line)
	if err != nil {
		t.Fatalf("writing to %s: %v", p.name, err)
	}
	if _, err := p.stdin.Write(append(text, '\n')); err != nil {
		t.Fatalf("writing to %s: %v", p.name, err)
	}
}

// line waits for the child's standard output line of that number, from 0, and decodes it into v.
func (p *process) line(t *testing.T, number int, v any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	text, ok := p.stdout.wait(ctx, number)
	if !ok {
		t.Fatalf("%s printed %d lines, want line %d; standard error:\n%s", p.name, len(p.stdout.all()), number, p.stderr.tail(40))
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		t.Fatalf("%s printed %q: %v", p.name, text, err)
	}
}

func newTranscript() *transcript { return &transcript{changed: make(chan struct{})} }

func (tr *transcript) fill(from io.Reader) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		tr.update(func() { tr.lines = append(tr.lines, lines.Text()) })
	}
	_, _ = io.Copy(io.Discard, from) // a line beyond the buffer must not block the child
	tr.update(func() { tr.closed = true })
}

func (tr *transcript) update(change func()) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	change()
	close(tr.changed)
	tr.changed = make(chan struct{})
}

// wait gives the line of that number, or false when the child or ctx ended first.
func (tr *transcript) wait(ctx context.Context, number int) (string, bool) {
	for {
		tr.mu.Lock()
		changed, closed := tr.changed, tr.closed
		if number < len(tr.lines) {
			defer tr.mu.Unlock()
			return tr.lines[number], true
		}
		tr.mu.Unlock()
		if closed {
			return "", false
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return "", false
		}
	}
}

func (tr *transcript) all() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return append([]string(nil), tr.lines...)
}

func (tr *transcript) tail(n int) string {
	lines := tr.all()
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
