package atlassiantools_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/toolkit/atlassiantools"
)

const bothScopes = "read:jira-work write:jira-work read:space:confluence read:page:confluence"

func TestSiteIsTheOneThatWasNamedOrTheOnlyOne(t *testing.T) {
	w := newWorld(t)
	w.consent("alice", []string{"sandbox-teahouse", "sandbox-garden"}, bothScopes)
	made := does[atlassiantools.CreatedIssue](w, w.jira, "CreateIssue", inputs{"project": "TEA", "summary": "only at the tea house", "site": teahouse})
	for _, site := range []string{teahouse, "sandbox-teahouse", "SANDBOX-TEAHOUSE", "https://sandbox-teahouse.atlassian.net/browse/TEA-1"} {
		if got := does[atlassiantools.Issue](w, w.jira, "GetIssue", inputs{"issue": made.Key, "site": site}); got.Key != made.Key {
			t.Errorf("site %q: got %+v", site, got)
		}
	}
	if got := w.fails(w.jira, "GetIssue", inputs{"issue": made.Key, "site": "sandbox-garden"}); got.Kind != api.ToolUpstreamNotFound {
		t.Errorf("at the other site: got %+v, want not found", got)
	}
	// Of alice's sites only the tea house has Confluence.
	if got := does[atlassiantools.Page](w, w.confluence, "GetPage", inputs{"page": "98310"}); got.Title != "Welcome" {
		t.Errorf("got the page %+v", got)
	}
}

func TestSeveralSitesAreAQuestionBack(t *testing.T) {
	w := newWorld(t)
	w.consent("alice", []string{"sandbox-teahouse", "sandbox-garden"}, bothScopes)
	got := w.fails(w.jira, "GetIssue", inputs{"issue": "TEA-1"})
	if got.Kind != api.ToolRetry || !got.CanRetry {
		t.Errorf("got %+v, want a retry", got)
	}
	for _, name := range []string{"sandbox-teahouse", "sandbox-garden", "https://sandbox-garden.atlassian.net"} {
		if !strings.Contains(got.AdditionalPromptContent, name) {
			t.Errorf("the prompt %q does not name %s", got.AdditionalPromptContent, name)
		}
	}
	unknown := w.fails(w.jira, "GetIssue", inputs{"issue": "TEA-1", "site": "sandbox-attic"})
	if unknown.Kind != api.ToolRetry || !strings.Contains(unknown.Message, "sandbox-attic") || !strings.Contains(unknown.AdditionalPromptContent, "sandbox-garden") {
		t.Errorf("an unknown site: got %+v", unknown)
	}
	want := atlassiantools.SitesOutput{Sites: []atlassiantools.Site{
		{Name: "sandbox-garden", URL: "https://sandbox-garden.atlassian.net", ID: garden},
		{Name: "sandbox-teahouse", URL: "https://sandbox-teahouse.atlassian.net", ID: teahouse},
	}}
	if diff := cmp.Diff(want, does[atlassiantools.SitesOutput](w, w.jira, "ListSites", nil)); diff != "" {
		t.Errorf("the sites (-want +got):\n%s", diff)
	}
}

func TestNoSiteIsSaidToBeTheUsersMatter(t *testing.T) {
	w := newWorld(t)
	w.consent("alice", []string{"sandbox-garden"}, bothScopes)
	got := w.fails(w.confluence, "GetPage", inputs{"page": "98310"})
	if got.Kind != api.ToolRequirementsNotMet || got.CanRetry || !strings.Contains(got.Message, "choose a site") {
		t.Errorf("got %+v", got)
	}
}

// An engine tells which sites there are and which is in use, so that nobody has to ask Atlassian for each call.
func TestSitesOfTheEngineAreTakenUnlessTheyLackWhatIsNamed(t *testing.T) {
	w := newWorld(t)
	w.consent("alice", []string{"sandbox-teahouse", "sandbox-garden"}, bothScopes)
	w.sites = &api.SiteList{Site: garden, Sites: []api.Site{
		{ID: garden, Name: "sandbox-garden", URL: "https://sandbox-garden.atlassian.net", Products: []string{"jira"}, Scopes: []string{"read:jira-work"}},
		{ID: "5a0d0000-0000-4000-8000-0000000000ff", Name: "gone", URL: "https://gone.atlassian.net", Products: []string{"jira"}},
	}}
	lists := func() (n int) {
		for _, r := range w.server.History().All() {
			if r.Path == "/oauth/token/accessible-resources" {
				n++
			}
		}
		return n
	}
	if got := does[atlassiantools.Issue](w, w.jira, "GetIssue", inputs{"issue": "TEA-1"}); !strings.HasPrefix(got.URL, "https://sandbox-garden.") || lists() != 0 {
		t.Errorf("got %s after %d questions, want the site in use and no question", got.URL, lists())
	}
	got := does[atlassiantools.Issue](w, w.jira, "GetIssue", inputs{"issue": "TEA-1", "site": "sandbox-teahouse"})
	if !strings.HasPrefix(got.URL, "https://sandbox-teahouse.") || lists() != 1 {
		t.Errorf("got %s after %d questions, want the site that was added since, and one", got.URL, lists())
	}
}
