package interop_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// walk follows a section of a document as its reader would: it writes the files that are shown, types
// the commands at each "$ ", opens the links that come, and fills in what is left out as "…" with what
// was printed. Only the ports are others, since many tests run at once.
//
// A file's name stands in the line before its block. A block that ends with a server (keybearer
// sandbox, keybearer serve) is a terminal of its own; all others are typed into one.
type walk struct {
	dir     string
	env     []string
	ports   map[string]string
	who     *person
	printed []string // by each command so far
}

// shown is a fenced block of a document.
type shown struct {
	language, file, text string
}

var (
	fileName  = regexp.MustCompile("`([a-z.-]+\\.yaml)`[^`]*$")
	startLink = regexp.MustCompile(`https?://[^\s"]+/start/ac_[A-Z0-9]+`)
	ellipsis  = regexp.MustCompile(`([A-Za-z_]*)…`)
	fixedPort = regexp.MustCompile(`\b(9[01]\d\d)\b`)
)

// takeWalk follows the section of a document that has this headline.
func takeWalk(t *testing.T, document, headline string, who *person) *walk {
	t.Helper()
	dir := t.TempDir()
	if err := os.Symlink(os.Getenv(binaryVariable), filepath.Join(dir, "keybearer")); err != nil {
		t.Fatal(err)
	}
	w := &walk{dir: dir, ports: map[string]string{}, who: who, env: []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir,
	}}
	w.goesOn(t, document, headline)
	return w
}

// goesOn follows another section, with all that is there by now.
func (w *walk) goesOn(t *testing.T, document, headline string) {
	t.Helper()
	blocks := sectionOf(t, document, headline)
	if len(blocks) == 0 {
		t.Fatalf("%s has nothing to do below %q", document, headline)
	}
	for _, b := range blocks {
		text := w.withPorts(t, b.text)
		switch {
		case b.file != "":
			if err := os.WriteFile(filepath.Join(w.dir, b.file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		case b.language == "console":
			w.types(t, text)
		}
	}
}

// sectionOf gives the blocks below a headline, up to the next one of its rank.
func sectionOf(t *testing.T, document, headline string) []shown {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	rank := headline[:strings.Index(headline, " ")+1]
	var blocks []shown
	inside, inBlock, before := false, false, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		fence := strings.HasPrefix(line, "```")
		switch {
		case inBlock && fence:
			inBlock = false
		case inBlock:
			if inside {
				blocks[len(blocks)-1].text += line + "\n"
			}
		case fence:
			inBlock = true
			if inside {
				b := shown{language: strings.TrimPrefix(line, "```")}
				if m := fileName.FindStringSubmatch(before); m != nil && b.language == "yaml" {
					b.file = m[1]
				}
				blocks = append(blocks, b)
			}
		case strings.HasPrefix(line, "#") && strings.Index(line, " ") < len(rank):
			inside = line == headline
		}
		if strings.TrimSpace(line) != "" {
			before = line
		}
	}
	return blocks
}

// printedLast checks what the last command printed.
func (w *walk) printedLast(t *testing.T, want string) {
	t.Helper()
	if got := w.printed[len(w.printed)-1]; !strings.Contains(got, want) {
		t.Errorf("the last command printed %.300s, want %s in it", got, want)
	}
}

// withPorts puts a free port in the place of each that the document uses.
func (w *walk) withPorts(t *testing.T, text string) string {
	return fixedPort.ReplaceAllStringFunc(text, func(port string) string {
		if w.ports[port] == "" {
			w.ports[port] = fmt.Sprint(freePort(t))
		}
		return w.ports[port]
	})
}

// types types the commands of a block.
func (w *walk) types(t *testing.T, text string) {
	t.Helper()
	var commands []string
	for line := range strings.Lines(text) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			commands = append(commands, strings.TrimSpace(command))
		} else if n := len(commands); n > 0 && strings.HasSuffix(commands[n-1], `\`) {
			commands[n-1] = strings.TrimSuffix(commands[n-1], `\`) + strings.TrimSpace(line)
		}
	}
	last := commands[len(commands)-1]
	if strings.HasPrefix(last, "keybearer sandbox") || strings.HasPrefix(last, "keybearer serve") {
		w.serves(t, commands)
		return
	}
	for _, command := range commands {
		w.enters(t, command)
	}
}

// serves starts a server in a terminal of its own and waits until it answers.
func (w *walk) serves(t *testing.T, commands []string) {
	t.Helper()
	last := len(commands) - 1
	script := strings.Join(slices.Concat(commands[:last], []string{"exec " + commands[last]}), "\n")
	name := strings.Join(strings.Fields(commands[last])[:2], " ")
	p := run(t, name, command{path: "/bin/bash", args: []string{"-ec", script}, dir: w.dir, env: w.env})
	port, path := w.ports["9099"], "/v1/health"
	if name == "keybearer sandbox" {
		port, path = w.ports["9199"], "/"
	}
	waitReady(t, p, "http://127.0.0.1:"+port+path, func(resp *http.Response) bool { return resp.StatusCode < http.StatusInternalServerError })
}

// enters types one command, and opens the link that it prints.
func (w *walk) enters(t *testing.T, command string) {
	t.Helper()
	command = ellipsis.ReplaceAllStringFunc(command, func(beginning string) string {
		beginning = strings.TrimSuffix(beginning, "…")
		values := regexp.MustCompile(regexp.QuoteMeta(beginning)+`[A-Za-z0-9._:/-]+`).FindAllString(strings.Join(w.printed, "\n"), -1)
		if len(values) == 0 {
			t.Fatalf("nothing that was printed begins with %q, for: %s", beginning, command)
		}
		return values[len(values)-1]
	})
	script := "[ ! -f .terminal ] || . ./.terminal\nset -o pipefail\n" + command + "\nstatus=$?\nexport -p > .terminal\nexit $status"
	cmd := exec.CommandContext(t.Context(), "/bin/bash", "-c", script)
	cmd.Dir, cmd.Env = w.dir, w.env
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s\n%v: %s", command, err, said)
	}
	w.printed = append(w.printed, string(said))
	if link := startLink.FindString(string(said)); link != "" && !strings.HasPrefix(command, "keybearer login") { // which is over by now
		w.who.consents(t, link)
	}
}
