package atlassian_test

import (
	"bufio"
	"go/format"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// guide is the code of docs/atlassian.md: main.go, one file for each deployment, and a snippet.
func guide(t *testing.T) (common string, deployments map[string]string, snippet string) {
	t.Helper()
	page, err := os.ReadFile("../docs/atlassian.md")
	if err != nil {
		t.Fatal(err)
	}
	deployments = map[string]string{}
	for _, section := range regexp.MustCompile(`(?m)^##+ `).Split(string(page), -1) {
		title, rest, _ := strings.Cut(section, "\n")
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(rest, -1) {
			if formatted, err := format.Source([]byte(block[1])); err != nil || string(formatted) != block[1] {
				t.Errorf("docs/atlassian.md, %s: the code is not formatted (%v); want:\n%s", title, err, formatted)
			}
			switch code := block[1]; {
			case strings.Contains(code, "func main()"):
				common = code
			case strings.HasPrefix(code, "package main"):
				deployments[title] = code
			default:
				snippet = code
			}
		}
	}
	if common == "" || len(deployments) != 3 || snippet == "" {
		t.Fatalf("docs/atlassian.md has other code than this test knows: %d deployments", len(deployments))
	}
	return common, deployments, snippet
}

// Whoever follows the page word for word, against the sandbox, comes to a call of the API. Only the sandbox's
// address is another one here.
func TestGuideWorksWordForWord(t *testing.T) {
	const callback, fixture = "http://localhost:8765/done", "a-fixture-and-no-secret"
	cloud := func() string {
		app := atlassiantest.DefaultApp()
		app.Callbacks, app.Secret = []string{callback}, fixture
		s := atlassiantest.Start(t, atlassiantest.Config{Apps: []atlassiantest.App{app}})
		s.Decide(providertest.Decision{Answer: "approve", User: "alice"})
		return s.URL
	}
	dataCenter := func() string {
		link := atlassiantest.DefaultLink()
		link.Redirects, link.Secret = []string{callback}, fixture
		s := atlassiantest.StartDataCenter(t, atlassiantest.DataCenterConfig{
			ContextPath: "/jira", CodeLifetime: 5 * time.Minute, Links: []atlassiantest.Link{link},
		})
		s.Approve("alice")
		return strings.TrimSuffix(s.URL, "/jira")
	}
	common, deployments, snippet := guide(t)
	for title, c := range map[string]struct {
		sandbox func() string
		says    string
	}{
		"Jira Cloud":       {cloud, "I am Alice Adams\nTEA-"},
		"Confluence Cloud": {cloud, "I am Alice Adams\nTEA Tea house\n"},
		"Data Center":      {dataCenter, "I am Alice Adams\nTEA-"},
	} {
		code, ok := deployments[title]
		if !ok {
			t.Errorf("docs/atlassian.md has no code under %q", title)
			continue
		}
		program := built(t, map[string]string{
			"main.go": common, "config.go": strings.ReplaceAll(code, "http://127.0.0.1:9199", c.sandbox()),
			"move.go": "package main\n\nimport (\n\t\"context\"\n\t\"os\"\n\n\t\"github.com/keybearer/keybearer/atlassian\"\n)\n\n" +
				"func move(ctx context.Context, client *atlassian.Client) error {\n" + snippet + "\treturn nil\n}\n\nvar _ = move\n",
		})
		folder := t.TempDir() // where it keeps its token
		if said := run(t, program, folder, fixture); !strings.HasPrefix(said, c.says) {
			t.Errorf("%s: got %q, want %q at its beginning", title, said, c.says)
		}
		if said := run(t, program, folder, fixture); !strings.HasPrefix(said, c.says) {
			t.Errorf("%s, once more: got %q", title, said)
		}
	}
}

// built compiles a program of the page.
func built(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "program")
	args := []string{"build", "-o", program}
	for name, code := range files {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	return program
}

// run plays the person: where the program asks for it, the address is opened and the one that the browser
// arrives at is pasted. It gives what the program said afterwards.
func run(t *testing.T, program, folder, fixture string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "ATLASSIAN_CLIENT_SECRET="+fixture)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "Open this address"):
		case strings.HasPrefix(line, "http://127.0.0.1"):
			if _, err := io.WriteString(in, browse(t, line).String()+"\n"); err != nil {
				t.Fatal(err)
			}
		default:
			said.WriteString(line + "\n")
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, complaints.String())
	}
	return said.String()
}
