package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// On a machine without a browser the address is opened elsewhere, and what that browser ends at is pasted.
func TestLoginByPastedAddress(t *testing.T) {
	held, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back := held.Addr().(*net.TCPAddr).Port
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	app := atlassiantest.DefaultApp()
	app.Secret, app.Callbacks = localSandboxSecret, []string{login.Callback(back)}
	cloud := atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}})
	server := httptest.NewServer(cloud)
	t.Cleanup(server.Close)
	approve := httptest.NewRequest(http.MethodPost, "/control/decision", strings.NewReader(`{"answer":"approve","user":"alice"}`))
	approve.Header.Set("Content-Type", "application/json")
	cloud.Control().ServeHTTP(httptest.NewRecorder(), approve)

	for name, c := range map[string]struct {
		paste func(landed string) string
		want  string
		code  int
	}{
		"the whole address":    {func(landed string) string { return landed }, "Connected: sandbox", 0},
		"an address elsewhere": {func(string) string { return "https://example.com/?code=x&state=y" }, "that is not the address at which the browser ends", 2},
		"another state": {func(landed string) string {
			return regexp.MustCompile(`state=[^&]+`).ReplaceAllString(landed, "state=another")
		}, "was not started in this browser", 2},
		"nothing": {func(string) string { return "" }, "that is not the address", 2},
	} {
		t.Run(name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), "keybearer", "login", "sandbox", "--no-browser", "--base-url", server.URL, "--port", fmt.Sprint(back))
			command.Env = append(os.Environ(), "KEYBEARER_HOME="+filepath.Join(t.TempDir(), "home"))
			in, err := command.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			out, err := command.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			command.Stderr = command.Stdout
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			lines := bufio.NewReader(io.TeeReader(out, &said))
			for {
				line, err := lines.ReadString('\n')
				if err != nil {
					t.Fatalf("no address came: %v: %s", err, said.String())
				}
				if address := strings.TrimSpace(line); strings.HasPrefix(address, server.URL+"/authorize") {
					_, _ = fmt.Fprintln(in, c.paste(landedAt(t, address)))
					break
				}
			}
			_, _ = io.Copy(io.Discard, lines)
			err = command.Wait()
			code := 0
			if exit, ok := errors.AsType[*exec.ExitError](err); ok {
				code = exit.ExitCode()
			}
			if code != c.code || !strings.Contains(said.String(), c.want) {
				t.Errorf("got exit code %d, want %d and %q in\n%s", code, c.code, c.want, said.String())
			}
		})
	}
}

// landedAt is where a browser ends that consents, on a machine where nothing listens.
func landedAt(t *testing.T, address string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.Header.Get("Location")
}
