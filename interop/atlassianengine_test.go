package interop_test

import (
	"fmt"
	"slices"
	"testing"
)

// TestPublishedClientsWorkWithTheEnginesToken: what the engine hands out after one consent serves clients
// that nobody here wrote, in JavaScript and Python, for Jira and Confluence.
func TestPublishedClientsWorkWithTheEnginesToken(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{s.definition()}})
	scopes := slices.DeleteFunc(append(scopesOfJira(), scopesOfConfluence()...), func(scope string) bool { return scope == "offline_access" })

	app := clients()[2].start(t, e.URL, e.Key, "atlassian", appUser, scopes...)
	newPerson(t, "alice").consents(t, app.next(t, "please_complete").URL)
	token := app.next(t, "completed").Token
	e.guards(token)

	with := func(product string) []string {
		return []string{"HOST=" + s.gateway(product), "ACCESS_TOKEN=" + token}
	}
	worksInJira(t, nodeDriver(t, with("jira"), "atlassian.mjs", "jira", "bearer"))
	worksInConfluence(t, nodeDriver(t, with("confluence"), "atlassian.mjs", "confluence", "bearer"))
	worksInJiraByPython(t, pythonDriver(t, with("jira"), "products.py", "jira"))
	if got := s.counts(t); got["redeemed"] != 1 || got["rotations"] != 0 {
		t.Errorf("got %v, want one code and no refresh for all of them", got)
	}
}

// TestPublishedClientsOfDataCenterWorkWithTheEnginesToken: the same of a server of one's own, in Python and over
// the Model Context Protocol.
func TestPublishedClientsOfDataCenterWorkWithTheEnginesToken(t *testing.T) {
	t.Parallel()
	s := startDataCenter(t, "jira")
	e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{{
		env: []string{"LINK_SECRET=" + s.secret}, secrets: []string{s.secret},
		yaml: fmt.Sprintf(dataCenterYAML, s.URL, "jira", sandboxLink),
	}}})
	app := clients()[2].start(t, e.URL, e.Key, "atlassian-data-center", appUser, "WRITE")
	newPerson(t, "alice").consents(t, app.next(t, "please_complete").URL)
	token := app.next(t, "completed").Token
	e.guards(token)

	with := []string{"HOST=" + s.URL, "ACCESS_TOKEN=" + token}
	worksInJiraByPython(t, pythonDriver(t, with, "products.py", "jira"))
	if me := does[anything](t, pythonDriver(t, with, "products.py", "api-jira"), "myself"); me["name"] != "alice" {
		t.Errorf("atlassian-python-api is %v there, want alice", me["name"])
	}
	agent := startMCPAtlassian(t, "JIRA_URL="+s.URL, "JIRA_PERSONAL_TOKEN="+token)
	agent.finds(t, "jira_get_issue", map[string]any{"issue_key": "TEA-1"}, "Warm the pots")
}

// TestTheEngineAndTheirOwnOAuth2ModeKeepApart: a client that refreshes by itself has a consent of its own,
// and the engine's goes on beside it: one rotation each, none of them a reuse.
func TestTheEngineAndTheirOwnOAuth2ModeKeepApart(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "--token-life", shortLife.String())
	e := startEngine(t, engineOptions{port: s.enginePort, providers: []providerConfig{s.definition()}})
	start := func() *appRun {
		return clients()[2].start(t, e.URL, e.Key, "atlassian", appUser, "read:me", "read:jira-user")
	}
	app := start()
	newPerson(t, "alice").consents(t, app.next(t, "please_complete").URL)
	first := app.next(t, "completed").Token

	g := s.signIn(t, "offline_access", "read:me", "read:jira-user")
	own := nodeDriver(t, []string{
		"SANDBOX=" + s.URL, "CLIENT_ID=" + sandboxApp, "CLIENT_SECRET=" + s.secret, "EXPIRED=yes",
		"ACCESS_TOKEN=" + g.AccessToken, "REFRESH_TOKEN=" + g.RefreshToken, "CLOUD_ID=" + teahouseID,
	}, "atlassian.mjs", "jira", "oauth2")
	does[any](t, own, "myself.getCurrentUser")

	waitUntilExpired(t, s.URL+"/me", first)
	second := start().next(t, "completed").Token
	if me := whoHolds(t, s.URL+"/me", second); me["email"] != "alice@example.com" {
		t.Errorf("the engine's second token is of %v, want alice", me)
	}
	if got := s.counts(t); got["redeemed"] != 2 || got["reuses"] != 0 || got["rotations"] < 2 {
		t.Errorf("got %v, want two consents, a rotation of each at least and no reuse", got)
	}
}
