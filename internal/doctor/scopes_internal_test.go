package doctor

import (
	"strings"
	"testing"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
)

func TestManyScopesAreToldOfFewer(t *testing.T) {
	many := atlassian.GranularScopes(atlassian.Write, atlassian.Jira, atlassian.Confluence)
	for _, thing := range []string{"workflow", "screen", "filter", "dashboard", "webhook", "label", "priority", "resolution"} { // to be sure
		many = append(many, "read:"+thing+":jira", "write:"+thing+":jira")
	}
	if len(many) < atlassian.ManyScopes {
		t.Fatalf("%d scopes are not many", len(many))
	}
	p := &api.Provider{ProviderID: "atlassian"}
	p.OAuth2.Scopes = &api.ScopeRules{Always: []string{"offline_access"}}
	var r Report
	(&chart{r: &r, p: p, wanted: many}).checkScopes()
	wantFinding(t, r, "scopes.list", Warning, "are too many")
	do := r.Findings[0].Do
	for _, want := range []string{"write:jira-work", "write:confluence-content", "offline_access", "read:sprint:jira-software"} {
		if !strings.Contains(do, want) {
			t.Errorf("got %q, want %s in it", do, want)
		}
	}
	if strings.Contains(do, "manage:") || len(strings.Fields(do)) >= atlassian.ManyScopes {
		t.Errorf("got %q, want no more than is asked for, and few", do)
	}
}

func TestShortListsAreLeftAlone(t *testing.T) {
	if got := fewer(atlassian.ClassicScopes(atlassian.Read, atlassian.Jira)); got != "" {
		t.Errorf("got %q, want nothing: it is no shorter", got)
	}
}
