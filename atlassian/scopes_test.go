package atlassian_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

func TestScopesBelongToProducts(t *testing.T) {
	for scope, want := range map[string]atlassian.Product{
		"read:jira-work": atlassian.Jira, "read:issue:jira": atlassian.Jira, "read:sprint:jira-software": atlassian.Jira,
		"read:servicedesk-request": atlassian.ServiceManagement, "read:request:jira-service-management": atlassian.ServiceManagement,
		"search:confluence": atlassian.Confluence, "read:confluence-content.all": atlassian.Confluence,
		"readonly:content.attachment:confluence": atlassian.Confluence, "read:space-details:confluence": atlassian.Confluence,
		"read:me": "", "offline_access": "", "": "", ":": "", "read:jirafa-x": "", "READ": "",
	} {
		if got := atlassian.ScopeProduct(scope); got != want {
			t.Errorf("%q: got %q, want %q", scope, got, want)
		}
	}
}

func TestEachLevelOfAccessHasTheOneBefore(t *testing.T) {
	levels := []atlassian.Access{atlassian.Read, atlassian.Write, atlassian.Admin, atlassian.SystemAdmin}
	for i, have := range levels {
		for j, wanted := range levels {
			if got := have.Covers(wanted); got != (i >= j) {
				t.Errorf("%s covers %s: got %v", have, wanted, got)
			}
		}
	}
	if atlassian.Access("").Covers(atlassian.Read) || atlassian.SystemAdmin.Covers("OWNER") {
		t.Error("an unknown level covers something, or is covered")
	}
	for _, p := range []atlassian.Product{atlassian.Jira, atlassian.ServiceManagement, atlassian.Confluence} {
		for i := range levels[1:3] {
			less, more := atlassian.ClassicScopes(levels[i], p), atlassian.ClassicScopes(levels[i+1], p)
			if !keybearer.Covers(more, less) || len(more) == len(less) {
				t.Errorf("%s: %s has %v, %s has %v", p, levels[i], less, levels[i+1], more)
			}
		}
	}
}

// What we propose can be asked for: no warning, and scopes that the sandbox's console has.
func TestProposedScopesAreInOrder(t *testing.T) {
	all := []atlassian.Product{atlassian.Jira, atlassian.ServiceManagement, atlassian.Confluence}
	console := append(atlassiantest.DefaultScopes(), atlassian.OfflineAccess)
	for name, scopes := range map[string][]string{
		"classic":           atlassian.ClassicScopes(atlassian.Admin, all...),
		"granular":          atlassian.GranularScopes(atlassian.Admin, all...),
		"module jira":       atlassian.ModuleScopes(atlassian.Jira),
		"module confluence": atlassian.ModuleScopes(atlassian.Confluence),
	} {
		if warnings := atlassian.CheckScopes(scopes); warnings != nil {
			t.Errorf("%s: %v", name, warnings)
		}
		if !slices.IsSorted(scopes) || len(slices.Compact(slices.Clone(scopes))) != len(scopes) {
			t.Errorf("%s: not sorted, or something is there twice: %v", name, scopes)
		}
		if name != "granular" && !keybearer.Covers(console, scopes) {
			t.Errorf("%s: not all of %v are in the console", name, scopes)
		}
	}
	// AtlassianApiModule pins its set for Confluence by a test of its own.
	if got := len(atlassian.ModuleScopes(atlassian.Confluence)); got != 28 {
		t.Errorf("the module asks for 28 scopes at Confluence, got %d", got)
	}
}

func TestProposedScopesPermitTheOperations(t *testing.T) {
	for _, o := range atlassian.Operations() {
		if o.Product == "" {
			continue
		}
		classic, granular := atlassian.ClassicScopes(o.Access, o.Product), atlassian.GranularScopes(o.Access, o.Product)
		if o.Classic != "" && !o.Permits(classic) {
			t.Errorf("%s %s: not permitted by %v", o.Method, o.Path, classic)
		}
		if o.Granular != nil && !o.Permits(granular) {
			t.Errorf("%s %s: not permitted by %v", o.Method, o.Path, granular)
		}
		if o.Classic == "" && o.Granular == nil {
			t.Errorf("%s %s: nothing permits it", o.Method, o.Path)
		}
		for _, s := range append(o.Granular, o.Classic) {
			if s != "" && atlassian.ScopeProduct(s) != o.Product {
				t.Errorf("%s %s: %s is of %s", o.Method, o.Path, s, atlassian.ScopeProduct(s))
			}
		}
	}
}

func TestTroublesomeScopesAreTold(t *testing.T) {
	many := func(n int) (scopes []string) {
		for range n - 1 {
			scopes = append(scopes, "read:jira-work")
		}
		return append(scopes, atlassian.OfflineAccess)
	}
	for _, c := range []struct {
		scopes []string
		want   string // in the only warning, or none
	}{
		{many(49), ""},
		{many(50), "50 scopes are too many"},
		{[]string{"read:me"}, "without offline_access"},
		{nil, "without offline_access"},
		{[]string{atlassian.OfflineAccess, "openid"}, "openid is a scope of OpenID Connect"},
		{[]string{atlassian.OfflineAccess, "email"}, "email is a scope of OpenID Connect"},
		{[]string{atlassian.OfflineAccess, "WRITE"}, "WRITE is a scope of Data Center"},
		{[]string{atlassian.OfflineAccess, "SYSTEM_ADMIN"}, "SYSTEM_ADMIN is a scope of Data Center"},
		{[]string{atlassian.OfflineAccess, "delete:jira-work"}, "in no list"},
	} {
		got := atlassian.CheckScopes(c.scopes)
		if c.want == "" && got != nil || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%v: got %q, want %q", c.scopes, got, c.want)
		}
	}
}

func TestDataCenterTakesOneLevel(t *testing.T) {
	for _, c := range []struct {
		product atlassian.Product
		access  atlassian.Access
		want    []string
	}{
		{atlassian.Jira, atlassian.Write, []string{"WRITE"}},
		{atlassian.Confluence, atlassian.SystemAdmin, []string{"SYSTEM_ADMIN"}},
		{atlassian.Bitbucket, atlassian.Read, []string{"REPO_READ"}},
		{atlassian.Bitbucket, atlassian.SystemAdmin, []string{"SYSTEM_ADMIN"}},
		{"trello", atlassian.Read, nil},
	} {
		if diff := cmp.Diff(c.want, atlassian.DataCenterScopes(c.access, c.product)); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.product, c.access, diff)
		}
	}
}

func TestOperationIsFoundByItsPath(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/rest/api/3/myself", "/rest/api/3/myself"},
		{"HEAD", "/rest/api/2/myself/", "/rest/api/3/myself"},
		{"GET", "/rest/api/latest/issue/TEA-1", "/rest/api/3/issue/{issue}"},
		{"GET", "/ex/jira/5a0d/rest/api/3/project/search", "/rest/api/3/project/search"},
		{"GET", "/rest/api/3/project/TEA", "/rest/api/3/project/{project}"},
		{"GET", "/ex/confluence/5a0d/wiki/api/v2/pages/7", "/wiki/api/v2/pages/{page}"},
		{"GET", "/ex/confluence/5a0d/rest/api/user/current", "/wiki/rest/api/user/current"},
		{"GET", "/me", "/me"},
		{"PATCH", "/rest/api/3/myself", ""},
		{"GET", "/rest/api/3/issue/", ""},
		{"GET", "/rest/api/3/issue/TEA-1/x", ""},
		{"GET", "/ex/jira", ""},
		{"GET", "", ""},
	} {
		got, found := atlassian.FindOperation(c.method, c.path)
		if got.Path != c.want || found != (c.want != "") {
			t.Errorf("%s %s: got %q (%v), want %q", c.method, c.path, got.Path, found, c.want)
		}
	}
}

func TestOperationTakesTheClassicScopeOrTheWholeGranularSet(t *testing.T) {
	both := atlassian.Operation{Classic: "read:jira-user", Granular: []string{"read:user:jira", "read:group:jira"}}
	granular := atlassian.Operation{Granular: []string{"read:space:confluence"}}
	classic := atlassian.Operation{Classic: "read:me"}
	for _, c := range []struct {
		operation atlassian.Operation
		granted   string
		needs     string
	}{
		{both, "read:jira-user", ""},
		{both, "read:group:jira read:user:jira", ""},
		{both, "read:user:jira", "read:jira-user, or all of read:user:jira read:group:jira (missing read:group:jira)"},
		{both, "", "read:jira-user, or all of read:user:jira read:group:jira"},
		{granular, "read:space:confluence", ""},
		{granular, "read:space-details:confluence", "read:space:confluence"},
		{classic, "read:me", ""},
		{classic, "offline_access", "read:me"},
	} {
		granted := strings.Fields(c.granted)
		if got := c.operation.Needs(granted); got != c.needs || c.operation.Permits(granted) != (c.needs == "") {
			t.Errorf("%+v with %q: got %q (permitted: %v), want %q", c.operation, c.granted, got, c.operation.Permits(granted), c.needs)
		}
	}
}
