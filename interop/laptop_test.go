package interop_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// laptopGuide is what takes a newcomer from nothing to a running agent.
const laptopGuide = "../docs/local.md"

// The guide's three commands, with a person at the browser who clicks through the sandbox's pages. Only the ports are
// others: the sandbox's, and the one that the login comes back to.
func TestNewcomerGetsFromNothingToARunningAgent(t *testing.T) {
	t.Parallel()
	who := newPerson(t, "alice")
	w := &walk{dir: t.TempDir(), ports: map[string]string{"9099": "", "9199": fmt.Sprint(freePort(t))}, who: who}
	back := fmt.Sprint(freePort(t))
	if err := os.Symlink(os.Getenv(binaryVariable), filepath.Join(w.dir, "keybearer")); err != nil {
		t.Fatal(err)
	}
	w.env = []string{"PATH=" + w.dir + ":" + os.Getenv("PATH"), "HOME=" + w.dir, "BROWSER=" + w.browser(t)}
	var commands []string
	for _, b := range sectionOf(t, laptopGuide, "## Three commands, without any account") {
		for line := range strings.Lines(b.text) {
			if command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ "); ok {
				commands = append(commands, command)
			}
		}
	}
	if len(commands) != 3 {
		t.Fatalf("the guide has %d commands, want three: %q", len(commands), commands)
	}
	if commands[0] != "keybearer sandbox" || commands[1] != "keybearer login sandbox" {
		t.Fatalf("the guide begins with %q", commands)
	}
	w.serves(t, []string{commands[0] + " --listen 127.0.0.1:" + w.ports["9199"] + " --callback http://127.0.0.1:" + back + "/callback"})
	w.enters(t, commands[1]+" --base-url http://127.0.0.1:"+w.ports["9199"]+" --port "+back)
	w.printedLast(t, "Connected: sandbox")
	w.enters(t, commands[2])
	w.printedLast(t, `"emailAddress":"alice@example.com"`)
	w.enters(t, "keybearer log --action inject")
	w.printedLast(t, "GET sandbox-teahouse.atlassian.net/rest/api/3/myself → 200")
	w.enters(t, "keybearer logout sandbox")
	w.printedLast(t, "Disconnected: sandbox")
}

// browser gives a program that hands the address it is called with to the person, who goes there at once.
func (w *walk) browser(t *testing.T) string {
	t.Helper()
	pipe := filepath.Join(t.TempDir(), "address")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(w.dir, "open-browser")
	if err := os.WriteFile(program, []byte("#!/bin/sh\nprintf '%s\\n' \"$1\" > "+pipe+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	went := make(chan struct{})
	go func() {
		defer close(went)
		file, err := os.Open(pipe) // waits for who writes
		if err != nil {
			t.Error(err)
			return
		}
		defer file.Close()
		address, err := bufio.NewReader(file).ReadString('\n')
		if err != nil {
			return // no login was begun
		}
		w.who.consents(t, strings.TrimSpace(address))
	}()
	t.Cleanup(func() {
		_ = exec.Command("/bin/sh", "-c", ": > "+pipe).Start() // lets go of a reader that nobody came to
		<-went
	})
	return program
}
