//go:build unix

package child_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/creack/pty"
)

// onTerminal starts a command as the leader of a session on a terminal of its own.
func onTerminal(t *testing.T, cmd *exec.Cmd) (*os.File, *output) {
	t.Helper()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return terminal, newOutput(t, terminal)
}

func typed(t *testing.T, terminal *os.File, text string) {
	t.Helper()
	if _, err := terminal.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func TestTerminalIsTheChilds(t *testing.T) {
	cmd := runnerCommand(t, order{Argv: []string{self(t), asChild, "talk"}})
	terminal, out := onTerminal(t, cmd)
	out.want(t, "ready")
	typed(t, terminal, "tty\n")
	out.want(t, "tty true true true")
	typed(t, terminal, "group\n")
	out.want(t, "group true")

	if err := pty.Setsize(terminal, &pty.Winsize{Rows: 40, Cols: 100}); err != nil {
		t.Fatal(err)
	}
	out.want(t, "got SIGWINCH 100x40 true")

	for range 2 { // the second one is what some agents end by, and nobody else may
		typed(t, terminal, "\x03")
		out.want(t, "got SIGINT")
	}
	typed(t, terminal, "\x1c")
	out.want(t, "got SIGQUIT")
	typed(t, terminal, "interrupts\n") // the third answer in a row: another interrupt would have come by now
	out.want(t, "interrupts 2")
	typed(t, terminal, "exit 9\n")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 9 {
		t.Errorf("code %d, want the child's 9", code)
	}
}

// What a terminal's interrupt means when the child does not handle it: it ends, and we tell that.
func TestInterruptEndsAChildThatLetsIt(t *testing.T) {
	cmd := runnerCommand(t, order{Argv: []string{"sh", "-c", "echo ready; read line"}})
	terminal, out := onTerminal(t, cmd)
	out.want(t, "ready")
	typed(t, terminal, "\x03")
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 130 {
		t.Errorf("code %d, want 130", code)
	}
}

// A shell with job control sees the run stop with its child, and brings both back.
func TestStopAndContinue(t *testing.T) {
	for _, isolate := range []bool{false, true} {
		if isolate && !canIsolate(t) {
			continue // TestIsolationIsRefused has looked at what is said then
		}
		t.Run(fmt.Sprint("isolated ", isolate), func(t *testing.T) { stopAndContinue(t, isolate) })
	}
}

func stopAndContinue(t *testing.T, isolate bool) {
	o := order{Argv: []string{self(t), asChild, "talk"}, Isolate: isolate}
	if isolate {
		o.Proxy = "http://127.0.0.1:9"
	}
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-i")
	cmd.Env = append(os.Environ(), "PS1=prompt> ", "ENV=")
	terminal, out := onTerminal(t, cmd)
	out.want(t, "prompt> ")
	typed(t, terminal, fmt.Sprintf("%s %s '%s'; echo code $?\n", self(t), asRunner, text))
	out.want(t, "ready")

	for _, key := range []string{"\x1a", "\x1a"} {
		typed(t, terminal, key)
		out.want(t, "prompt> ")
		typed(t, terminal, "jobs\n")
		out.want(t, "Stopped")
		typed(t, terminal, "fg\n")
		out.want(t, "got SIGCONT")
		typed(t, terminal, "back\n")
		out.want(t, "you said back")
	}
	typed(t, terminal, "exit 4\n")
	out.want(t, "prompt> ")
	typed(t, terminal, "echo last $?\n")
	out.want(t, "last 4")
	typed(t, terminal, "exit\n")
	_ = cmd.Wait()
}
