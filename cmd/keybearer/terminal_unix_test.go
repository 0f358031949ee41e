//go:build unix

package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// An interactive program has the terminal as if nobody stood between: it sees one, it gets each Ctrl-C, also two of
// them, and its exit code is ours.
func TestInteractiveProgramHasTheTerminal(t *testing.T) {
	program := `trap 'echo interrupted' INT; test -t 0 && test -t 1 && test -t 2 && echo ready
while true; do if read -r line; then echo "said $line"; test "$line" = end && exit 5; fi; done`
	c := exec.CommandContext(t.Context(), "keybearer", "run", "--", "bash", "-c", program)
	c.Env = append(os.Environ(), "KEYBEARER_HOME="+filepath.Join(t.TempDir(), "home"), "KEYBEARER_VAULT_CUSTODY=file")
	terminal, err := pty.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	var said strings.Builder
	lines := bufio.NewReader(io.TeeReader(terminal, &said))
	await := func(want string) {
		t.Helper()
		for {
			line, err := lines.ReadString('\n')
			if strings.Contains(line, want) {
				return
			}
			if err != nil {
				t.Fatalf("%q never came: %v: %s", want, err, said.String())
			}
		}
	}
	keys := func(text string) {
		t.Helper()
		if _, err := io.WriteString(terminal, text); err != nil {
			t.Fatal(err)
		}
	}
	await("ready")
	for range 2 {
		keys("\x03")
		await("interrupted")
	}
	keys("hello\n")
	await("said hello")
	keys("end\n")
	await("said end")
	_, _ = io.Copy(io.Discard, lines) // ends with the terminal's other side
	err = c.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 5 {
		t.Errorf("got %v, want the program's exit code 5: %s", err, said.String())
	}
}
