package main

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// github plays GitHub's device flow at GitHub's paths: what is no token is said with 200.
func github(t *testing.T) (*providertest.Server, string) {
	t.Helper()
	s := providertest.New(providertest.Config{
		Clients: []providertest.Client{{ID: "an-app", Public: true}}, PollInterval: time.Second, PollStatus: http.StatusOK,
	})
	paths := map[string]string{"/login/device/code": "/device_authorization", "/login/oauth/access_token": "/token", "/user": "/userinfo"}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if path, ok := paths[r.URL.Path]; ok {
			r.URL.Path = path
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return s, server.URL
}

// On a machine without a browser the code goes to another one, and the login ends by itself.
func TestLoginByDeviceCode(t *testing.T) {
	for _, approve := range []bool{true, false} {
		s, url := github(t)
		home := filepath.Join(t.TempDir(), "home")
		keybearer := func(args ...string) *exec.Cmd {
			c := exec.CommandContext(t.Context(), "keybearer", args...)
			c.Env = append(os.Environ(), "KEYBEARER_HOME="+home, "APP_ID=an-app")
			return c
		}
		login := keybearer("login", "github", "--flow", "device", "--no-browser", "--base-url", url, "--client-id-env", "APP_ID")
		out, err := login.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		login.Stderr = login.Stdout
		if err := login.Start(); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		for lines := bufio.NewScanner(out); lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if code := regexp.MustCompile(`^  ([A-Z]{4}-[A-Z]{4})$`).FindStringSubmatch(lines.Text()); code != nil {
				if err := s.DecideDevice(code[1], "alice", approve); err != nil {
					t.Errorf("the code that was shown: %v", err)
				}
			}
		}
		err = login.Wait()
		if (err == nil) != approve || !strings.Contains(said.String(), url+"/device") || s.History().Redeemed() > 1 || (s.History().Redeemed() == 1) != approve {
			t.Errorf("approved: %v: got %v, %d tokens and\n%s", approve, err, s.History().Redeemed(), said.String())
		}
		if !approve && !strings.Contains(said.String(), "Access was declined") {
			t.Errorf("got\n%s", said.String())
		}
		list, err := keybearer("list").CombinedOutput()
		if err != nil || strings.Contains(string(list), "active") != approve {
			t.Errorf("approved: %v: got %v and\n%s", approve, err, list)
		}
	}
}
