package interop_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

// TestTheSameCommandsUseARunningEngine: login, list, get, run and log, with a key of the engine's in the environment. The
// program gets neither that key nor the token, and the engine's own log has what it did.
func TestTheSameCommandsUseARunningEngine(t *testing.T) {
	t.Parallel()
	need(t, partCurl)
	s := startSandbox(t)
	s.control(t, "/control/decision", map[string]string{"answer": "approve", "user": "alice"})
	e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{s.definition()}})
	l := newLaptop(t, nil).with("KEYBEARER_API_KEY=" + e.Key)
	l.keys.put("the engine", e.Key)
	engine := []string{"--engine", e.URL, "--user", "alice"}
	const provider = "default-atlassian"

	l.does(t, append([]string{"login", provider, "--scopes", "read:jira-user,read:me"}, engine...)...)
	var list struct {
		Connections []struct{ Provider, Status string }
	}
	l.tells(t, &list, append([]string{"list"}, engine...)...)
	if len(list.Connections) != 1 || list.Connections[0].Provider != provider || list.Connections[0].Status != "active" {
		t.Errorf("list has %+v, want one active connection", list.Connections)
	}
	var got struct{ Token string }
	l.tells(t, &got, append([]string{"get", provider, "--show-secret", "--force"}, engine...)...)
	if me := whoHolds(t, s.URL+"/me", got.Token); me["email"] != "alice@example.com" {
		t.Errorf("the token is of %v, want alice", me)
	}
	l.keys.put(provider, got.Token)
	e.guards(got.Token)

	r := l.runsWith(t, append([]string{"--as", "far"}, engine...), "curl", "-fsS", atTeahouse+"/rest/api/3/myself")
	if r.code != 0 || !strings.Contains(r.stdout, "alice@example.com") {
		t.Errorf("run: got code %d and %q\n%s", r.code, r.stdout, r.stderr)
	}
	var log struct{ Events []event }
	for len(log.Events) == 0 && t.Context().Err() == nil { // the engine writes its log some lines at a time
		l.tells(t, &log, append([]string{"log", "--action", "inject"}, engine...)...)
	}
	want := "far GET sandbox-teahouse.atlassian.net/rest/api/3/myself ok 200"
	i := log.Events[0]
	if line := fmt.Sprintf("%s %s %s%s %s %d", i.Run, i.Method, i.Host, i.Path, i.Outcome, i.Status); line != want {
		t.Errorf("the engine's log has %q, want %q", line, want)
	}
	if _, err := os.Stat(l.home); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("on this machine there should be no vault: %v", err)
	}
}
