package interop_test

import (
	"slices"
	"strings"
	"testing"
)

// These tests drive published clients of Atlassian's APIs against the sandbox alone: what they accept, and
// how they word what it refuses, shows that it is like the real thing.

func scopesOfJira() []string {
	return []string{
		"offline_access", "read:me", "read:jira-user", "read:jira-work", "write:jira-work", "manage:jira-configuration",
		"read:board-scope:jira-software", "read:project:jira", "read:servicedesk-request",
	}
}

func scopesOfConfluence() []string {
	return []string{
		"offline_access", "read:confluence-user", "search:confluence", "read:space:confluence", "read:page:confluence",
		"write:page:confluence", "delete:page:confluence",
	}
}

// worksInJira is a working day with jira.js, whoever gave it its token.
func worksInJira(t *testing.T, d *driverRun) {
	t.Helper()
	if me := does[anything](t, d, "myself.getCurrentUser"); me["emailAddress"] != "alice@example.com" {
		t.Errorf("myself: got %v, want alice", me)
	}
	if info := does[anything](t, d, "serverInfo.getServerInfo"); info["deploymentType"] != "Cloud" {
		t.Errorf("serverInfo: got %v", info)
	}
	if page := does[anything](t, d, "projects.searchProjects"); page["total"] != 2.0 {
		t.Errorf("projects: got %v, want 2", page)
	}
	fields := map[string]any{"project": map[string]string{"key": "TEA"}, "issuetype": map[string]string{"name": "Task"}, "summary": "Taste", "description": document("the new oolong")}
	key := does[anything](t, d, "issues.createIssue", map[string]any{"fields": fields}).at("key")
	of := map[string]any{"issueIdOrKey": key}
	if issue := does[anything](t, d, "issues.getIssue", of); issue.at("fields", "summary") != "Taste" || !strings.Contains(text(issue), "the new oolong") {
		t.Errorf("the new issue: got %v", issue)
	}
	does[any](t, d, "issues.editIssue", map[string]any{"issueIdOrKey": key, "fields": map[string]string{"summary": "Taste twice"}})
	if to := does[anything](t, d, "issues.getTransitions", of); !strings.Contains(text(to), "In Progress") {
		t.Errorf("transitions: got %v", to)
	}
	does[any](t, d, "issues.doTransition", map[string]any{"issueIdOrKey": key, "transition": map[string]string{"id": "31"}})
	does[any](t, d, "issueComments.addComment", map[string]any{"issueIdOrKey": key, "body": document("splendid")})
	if comments := does[anything](t, d, "issueComments.getComments", of); comments["total"] != 1.0 {
		t.Errorf("comments: got %v, want 1", comments)
	}
	found, token := 0, any(nil)
	for range 5 {
		ask := map[string]any{"jql": "project = TEA", "maxResults": 3, "fields": []string{"summary", "status"}}
		if token != nil {
			ask["nextPageToken"] = token
		}
		page := does[anything](t, d, "issueSearch.searchAndReconsileIssuesUsingJql", ask)
		issues, _ := page["issues"].([]any)
		found += len(issues)
		if token = page["nextPageToken"]; token == nil {
			break
		}
	}
	if found != 4 {
		t.Errorf("search: got %d issues page by page, want 4", found)
	}
	if log := does[anything](t, d, "auditRecords.getAuditRecords"); log["total"] != 1.0 {
		t.Errorf("audit log: got %v", log)
	}
	if boards := does[anything](t, d, "agile.board.getAllBoards"); !strings.Contains(text(boards), "Tea board") {
		t.Errorf("boards: got %v", boards)
	}
	if requests := does[anything](t, d, "desk.request.getCustomerRequests"); !strings.Contains(text(requests), "DESK-1") {
		t.Errorf("requests: got %v", requests)
	}
	does[any](t, d, "issues.deleteIssue", of)
}

// document is a text in Atlassian's document format.
func document(text string) any {
	return map[string]any{"type": "doc", "version": 1, "content": []any{
		map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": text}}},
	}}
}

// worksInConfluence is a working day with confluence.js.
func worksInConfluence(t *testing.T, d *driverRun) {
	t.Helper()
	if me := does[anything](t, d, "v1.users.getCurrentUser"); me["displayName"] != "Alice Adams" {
		t.Errorf("current user: got %v, want Alice Adams", me)
	}
	if found := does[anything](t, d, "v1.search.searchByCQL", map[string]string{"cql": "type = page"}); !strings.Contains(text(found), "How to pour") {
		t.Errorf("search: got %v", found)
	}
	if spaces := does[anything](t, d, "v2.space.getSpaces"); !strings.Contains(text(spaces), "Tea house") {
		t.Errorf("spaces: got %v", spaces)
	}
	body := map[string]string{"representation": "storage", "value": "<p>Fine.</p>"}
	made := map[string]any{"spaceId": "65537", "status": "current", "title": "Sieves", "body": body}
	id := does[anything](t, d, "v2.page.createPage", map[string]any{"body": made})["id"]
	change := map[string]any{"id": id, "status": "current", "title": "All sieves", "body": body, "version": map[string]any{"number": 2}}
	does[any](t, d, "v2.page.updatePage", map[string]any{"id": id, "body": change})
	if page := does[anything](t, d, "v2.page.getPageById", map[string]any{"id": id}); page["title"] != "All sieves" {
		t.Errorf("the page: got %v", page)
	}
	does[any](t, d, "v2.page.deletePage", map[string]any{"id": id})
	if pages := does[anything](t, d, "v2.page.getPages", map[string]any{"limit": 2}); !strings.Contains(text(pages.at("_links", "next")), "cursor=") {
		t.Errorf("pages: got %v, want a next page", pages)
	}
}

func TestJiraJSWorksByBearer(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	d := nodeDriver(t, []string{"HOST=" + s.gateway("jira"), "ACCESS_TOKEN=" + s.signIn(t, scopesOfJira()...).AccessToken}, "atlassian.mjs", "jira", "bearer")
	worksInJira(t, d)
	if e := d.raises(t, call{Method: "issues.getIssue", Args: []any{map[string]string{"issueIdOrKey": "TEA-999"}}}); e.Class != "NotFoundError" {
		t.Errorf("an issue that there is not: got %s %s", e.Class, e.Text)
	}
	s.control(t, "/control/switches", map[string]string{"name": "limited", "value": "burst"})
	if e := d.raises(t, call{Method: "myself.getCurrentUser"}); e.Class != "RateLimitError" {
		t.Errorf("too often: got %s %s", e.Class, e.Text)
	}
	s.control(t, "/control/switches", map[string]string{"name": "limited", "value": "off"})
	s.signIn(t, "read:jira-user") // replaces the scopes of the only grant
	if e := d.raises(t, call{Method: "projects.searchProjects"}); e.Class != "ScopeError" {
		t.Errorf("without the scope: got %s %s", e.Class, e.Text)
	}
	s.control(t, "/control/drop-access", nil)
	if e := d.raises(t, call{Method: "myself.getCurrentUser"}); e.Class != "AuthError" {
		t.Errorf("with a dead token: got %s %s", e.Class, e.Text)
	}
}

func TestConfluenceJSWorksByBearer(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	token := s.signIn(t, scopesOfConfluence()...).AccessToken
	worksInConfluence(t, nodeDriver(t, []string{"HOST=" + s.gateway("confluence"), "ACCESS_TOKEN=" + token}, "atlassian.mjs", "confluence", "bearer"))
}

// TestTheirOwnOAuth2ModeRotates: the clients refresh by themselves, hand on the rotated token, find the
// site and go on when the token dies before its time.
func TestTheirOwnOAuth2ModeRotates(t *testing.T) {
	t.Parallel()
	for product, scopes := range map[string][]string{"jira": scopesOfJira(), "confluence": scopesOfConfluence()} {
		t.Run(product, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t)
			g := s.signIn(t, scopes...)
			d := nodeDriver(t, []string{
				"SANDBOX=" + s.URL, "CLIENT_ID=" + sandboxApp, "CLIENT_SECRET=" + s.secret, "EXPIRED=yes",
				"ACCESS_TOKEN=" + g.AccessToken, "REFRESH_TOKEN=" + g.RefreshToken, "CLOUD_ID=" + teahouseID,
			}, "atlassian.mjs", product, "oauth2")
			if product == "jira" {
				worksInJira(t, d)
			} else {
				worksInConfluence(t, d)
			}
			first := does[anything](t, d, "tokens")
			if got := s.counts(t); got["rotations"] != 1 || got["reuses"] != 0 || first["refreshToken"] == g.RefreshToken {
				t.Errorf("got %v, want one rotation and a new refresh token", got)
			}
			s.control(t, "/control/drop-access", nil)
			if product == "jira" {
				does[any](t, d, "myself.getCurrentUser")
			} else {
				does[any](t, d, "v1.users.getCurrentUser")
			}
			if got := s.counts(t); got["rotations"] != 2 || got["reuses"] != 0 {
				t.Errorf("after a token that died early: got %v, want two rotations", got)
			}
			s.control(t, "/control/revoke", map[string]string{"account": "alice"})
			method := map[string]string{"jira": "myself.getCurrentUser", "confluence": "v1.users.getCurrentUser"}[product]
			if e := d.raises(t, call{Method: method}); e.Class != "OAuthError" {
				t.Errorf("after the grant: got %s %s", e.Class, e.Text)
			}
		})
	}
}

// TestPerProductDuplicatesLookLikeManySites: the sandbox lists one site once per product, as the real one
// was seen to; these clients take that for two sites and ask to be told which.
func TestPerProductDuplicatesLookLikeManySites(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	g := s.signIn(t, "offline_access", "read:jira-user", "read:space:confluence")
	env := []string{"SANDBOX=" + s.URL, "CLIENT_ID=" + sandboxApp, "CLIENT_SECRET=" + s.secret, "ACCESS_TOKEN=" + g.AccessToken, "REFRESH_TOKEN=" + g.RefreshToken}
	lost := nodeDriver(t, env, "atlassian.mjs", "jira", "oauth2")
	if e := lost.raises(t, call{Method: "myself.getCurrentUser"}); e.Class != "OAuthError" {
		t.Errorf("without a site: got %s %s", e.Class, e.Text)
	}
	told := nodeDriver(t, append(env, "SITE_URL=https://sandbox-teahouse.atlassian.net"), "atlassian.mjs", "jira", "oauth2")
	if me := does[anything](t, told, "myself.getCurrentUser"); me["displayName"] != "Alice Adams" {
		t.Errorf("with the site: got %v", me)
	}
}

func TestArcticAndPassportSignIn(t *testing.T) {
	t.Parallel()
	need(t, partNode)
	for _, client := range []string{"arctic", "passport"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t)
			s.control(t, "/control/decision", map[string]string{"answer": "approve", "user": "alice"})
			p := run(t, client, command{
				path: nodeBinary(t), dir: "node", args: []string{"atlassian-login.mjs", client, "read:me", "read:jira-user", "offline_access"},
				env: []string{"SANDBOX=" + s.URL, "CLIENT_ID=" + sandboxApp, "CLIENT_SECRET=" + s.secret, "CALLBACK=" + s.callback()},
			})
			var got struct {
				Result struct {
					AccessToken string
					State       string
					Rotated     bool
					Refreshable bool
					Email       string
					Sites       []anything
				}
				Exception *exception
			}
			p.line(t, 0, &got)
			if got.Exception != nil {
				t.Fatalf("%s: %s", got.Exception.Class, got.Exception.Text)
			}
			if me := whoHolds(t, s.URL+"/me", got.Result.AccessToken); me["email"] != "alice@example.com" {
				t.Errorf("the token is of %v, want alice", me)
			}
			if r := got.Result; client == "arctic" && (r.State != "the-state" || !r.Rotated) {
				t.Errorf("arctic: got the state %q, rotated %t", r.State, r.Rotated)
			}
			if r := got.Result; client == "passport" && (!r.Refreshable || r.Email != "alice@example.com" || !slices.ContainsFunc(r.Sites, func(site anything) bool { return site["id"] == teahouseID })) {
				t.Errorf("passport: got %+v", r)
			}
		})
	}
}
