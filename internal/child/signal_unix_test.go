//go:build unix

package child_test

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/keybearer/keybearer/internal/child"
)

// away starts a runner in a session without a terminal, and gives its child's input and output.
func away(t *testing.T, o order) (*exec.Cmd, io.WriteCloser, *output) {
	t.Helper()
	cmd := runnerCommand(t, o)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	t.Cleanup(func() { read.Close() })
	return cmd, in, newOutput(t, read)
}

func TestSignalsReachTheChild(t *testing.T) {
	cmd, in, out := away(t, order{Argv: []string{self(t), asChild, "talk"}})
	out.want(t, "ready")
	// Without a terminal nobody but us gives the child even those that a terminal sends.
	for _, s := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGWINCH, unix.SIGINT, unix.SIGQUIT, unix.SIGTERM} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		out.want(t, "got "+unix.SignalName(s))
	}
	if _, err := io.WriteString(in, "exit 6\n"); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 6 {
		t.Errorf("code %d, want 6", code)
	}
}

func TestSignalThatEndsTheChildIsTold(t *testing.T) {
	for s, code := range map[syscall.Signal]int{
		unix.SIGTERM: 143, unix.SIGHUP: 129, unix.SIGUSR1: 128 + int(unix.SIGUSR1), unix.SIGINT: 130,
	} {
		cmd, _, out := away(t, order{Argv: []string{"sh", "-c", "echo ready; read line"}})
		out.want(t, "ready")
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("%s: code %d, want %d", unix.SignalName(s), got, code)
		}
	}
}

// What nohup has switched off stays so for the child.
func TestIgnoredSignalStaysIgnored(t *testing.T) {
	cmd := runnerCommand(t, order{Argv: []string{"sh", "-c", "kill -HUP $$; exit 8"}})
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	_ = cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 8 {
		t.Errorf("code %d, want 8: the hangup came through", code)
	}
}

func TestContextEndsTheChild(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		code   int
		grace  time.Duration
	}{
		"in order": {`trap "exit 3" TERM; echo ready; while :; do read line; done`, 3, time.Minute},
		"killed":   {`trap "" TERM; echo ready; while :; do read line || sleep 1000; done`, 137, time.Millisecond},
		"with what it started": {
			`trap "" TERM; (trap "" TERM; sleep 1000; sleep 1000) & echo ready; wait; wait`,
			137, time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			stdin, held, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close()
			defer stdin.Close()
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer read.Close()
			type end struct {
				code int
				err  error
			}
			ended := make(chan end, 1)
			go func() {
				code, err := child.Run(ctx, child.Config{
					Argv: []string{"sh", "-c", c.script}, Env: os.Environ(), Grace: c.grace, Stdin: stdin, Stdout: write,
				})
				write.Close()
				ended <- end{code, err}
			}()
			out := newOutput(t, read)
			out.want(t, "ready")
			cancel()
			if e := <-ended; e.err != nil || e.code != c.code {
				t.Errorf("code %d, want %d; %v", e.code, c.code, e.err)
			}
			if linux { // elsewhere what the child has started is not known
				out.end(t)
			}
		})
	}
}

// Whoever kills the run takes the child's proxy away. The child is told.
func TestChildHearsThatTheRunWasKilled(t *testing.T) {
	if !linux {
		return // the record 0035 says so
	}
	for _, isolate := range slices.Compact([]bool{false, canIsolate(t)}) {
		cmd, in, out := away(t, order{Argv: []string{self(t), asChild, "talk"}, Isolate: isolate, Proxy: placeholder})
		defer in.Close()
		out.want(t, "ready")
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		out.want(t, "got SIGHUP")
		var failed *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &failed) || !strings.Contains(failed.Error(), "killed") {
			t.Errorf("the runner ended with %v", err)
		}
	}
}
