//go:build unix

package child_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/child"
)

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("PATH", os.Getenv("PATH")+":"+dir)
	for _, c := range []struct {
		name string
		argv []string
		code int
		says string // "" for none
	}{
		{"success", []string{"true"}, 0, ""},
		{"failure", []string{"false"}, 1, ""},
		{"any code", []string{"sh", "-c", "exit 42"}, 42, ""},
		{"largest code", []string{"sh", "-c", "exit 255"}, 255, ""},
		{"terminated", []string{"sh", "-c", "kill -TERM $$"}, 128 + 15, ""},
		{"killed", []string{"sh", "-c", "kill -KILL $$"}, 128 + 9, ""},
		{"interrupted", []string{"sh", "-c", "kill -INT $$"}, 128 + 2, ""},
		{"script", []string{write("script", "#!/bin/sh\nexit 5\n", 0o755)}, 5, ""},
		{"no such program", []string{"kb-no-such-program"}, 127, "no such program in PATH"},
		{"no such path", []string{"./kb-no-such-program"}, 127, "no such file"},
		{"not executable", []string{write("plain", "#!/bin/sh\n", 0o644)}, 126, "chmod +x"},
		{"not executable in PATH", []string{"plain"}, 126, "chmod +x"},
		{"folder", []string{dir}, 126, "is a folder"},
		{"no interpreter", []string{write("orphan", "#!/kb/no/interpreter\n", 0o755)}, 126, "interpreter"},
		{"no format", []string{write("text", "hello\n", 0o755)}, 126, "first line"},
		{"nothing", nil, 125, "no program to run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, err := child.Run(t.Context(), child.Config{Argv: c.argv, Env: os.Environ()})
			if code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
		})
	}
}

// running starts the runner with an order and gives its standard output.
func run(t *testing.T, o order) (out string, code int, words string) {
	t.Helper()
	cmd := runnerCommand(t, o)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String(), cmd.ProcessState.ExitCode(), stderr.String()
}

func runnerCommand(t *testing.T, o order) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return exec.CommandContext(t.Context(), self(t), asRunner, string(text))
}

// environmentOf gives the variables that reach a child, by name.
func environmentOf(t *testing.T, o order) map[string]string {
	t.Helper()
	o.Argv = []string{self(t), asChild, "env"}
	out, code, words := run(t, o)
	if code != 0 {
		t.Fatalf("code %d: %s", code, words)
	}
	var entries []string
	if err := json.Unmarshal([]byte(out), &entries); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, entry := range entries {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := env[name]; twice {
			t.Errorf("%s comes twice", name)
		}
		env[name] = value
	}
	return env
}

// broken is a script whose interpreter is missing.
func broken(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(path, []byte("#!/kb/no/interpreter\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
