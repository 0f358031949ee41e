package atlassian_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// entry is one of accessible-resources, as the wire has it.
type entry struct {
	ID     string   `json:"id"`
	Name   string   `json:"name"`
	URL    string   `json:"url"`
	Scopes []string `json:"scopes"`
	Avatar string   `json:"avatarUrl"`
}

func answerOf(t testing.TB, entries any) string {
	t.Helper()
	body, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func read(t testing.TB, answer string) []atlassian.Site {
	t.Helper()
	sites, err := atlassian.ReadSites(strings.NewReader(answer))
	if err != nil {
		t.Fatalf("reading %.200q: %v", answer, err)
	}
	return sites
}

// twoSites has three entries for two sites, of which one has Jira and Confluence.
func twoSites() []entry {
	return []entry{
		{"5a0d-7ea0", "teahouse", "https://Teahouse.atlassian.net/", []string{"write:jira-work", "read:jira-work"}, "https://cdn.example.com/b.png"},
		{"5a0d-9a8d", "Garden", "https://garden.atlassian.net", []string{"read:servicedesk-request", "read:sprint:jira-software"}, ""},
		{"5a0d-7ea0", "teahouse", "https://teahouse.atlassian.net", []string{"read:page:confluence", "read:jira-work"}, "https://cdn.example.com/a.png"},
	}
}

func TestOneSiteIsReadOnceWithAllItsScopes(t *testing.T) {
	want := []atlassian.Site{
		{
			ID: "5a0d-9a8d", Name: "Garden", URL: "https://garden.atlassian.net",
			Scopes:   []string{"read:servicedesk-request", "read:sprint:jira-software"},
			Products: []atlassian.Product{atlassian.Jira, atlassian.ServiceManagement},
		},
		{
			ID: "5a0d-7ea0", Name: "teahouse", URL: "https://teahouse.atlassian.net", AvatarURL: "https://cdn.example.com/a.png",
			Scopes:   []string{"read:jira-work", "read:page:confluence", "write:jira-work"},
			Products: []atlassian.Product{atlassian.Confluence, atlassian.Jira},
		},
	}
	entries := twoSites()
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		if diff := cmp.Diff(want, read(t, answerOf(t, entries))); diff != "" {
			t.Fatalf("in the order %v (-want +got):\n%s", entries, diff)
		}
		random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
	}
}

func TestSitesAreReadTolerantly(t *testing.T) {
	for _, c := range []struct {
		name, answer string
		want         []atlassian.Site
	}{
		{"no site", ` [] `, []atlassian.Site{}},
		{"unknown fields", `[{"id":"a","cloud":{"x":[1]}}]`, []atlassian.Site{{ID: "a"}}},
		{"fields of other types", `[{"id":"a","name":7,"url":null,"scopes":{"x":1},"avatarUrl":[]}]`, []atlassian.Site{{ID: "a"}}},
		{"scopes as text", `[{"id":"a","scopes":"read:jira-work read:me"}]`, []atlassian.Site{{
			ID: "a", Scopes: []string{"read:jira-work", "read:me"}, Products: []atlassian.Product{atlassian.Jira},
		}}},
		{"entries that are none", `[null,7,"x",[],{},{"id":7},{"id":""},{"id":"a/../b"},{"id":".."},{"id":"` + strings.Repeat("a", 65) + `"},{"id":"a"}]`, []atlassian.Site{{ID: "a"}}},
		{
			"addresses that no token may go to", `[
			{"id":"a","url":"http://x.example.com"},{"id":"b","url":"https://user@x.example.com"},
			{"id":"c","url":"javascript:alert(1)"},{"id":"d","url":"https:///x"},{"id":"e","url":"https://x.example.com:443/wiki?a=b"}]`,
			[]atlassian.Site{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d"}, {ID: "e", URL: "https://x.example.com"}},
		},
		{"a name that would forge a line", `[{"id":"a","name":"x\n\u001b[31m\u202ey"}]`, []atlassian.Site{{ID: "a", Name: "x [31my"}}},
		{"a name without end", `[{"id":"a","name":"` + strings.Repeat("ä", 5000) + `"}]`, []atlassian.Site{{ID: "a", Name: strings.Repeat("ä", 200) + "…"}}},
	} {
		if diff := cmp.Diff(c.want, read(t, c.answer)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAnswerThatIsNoListOfSitesIsAnError(t *testing.T) {
	for _, answer := range []string{
		"", "null", "{}", `{"code":401,"message":"Unauthorized"}`, "<html>", `[{"id":"a"}`, `[] []`,
		"[" + strings.Repeat(" ", 4<<20) + "]",
	} {
		if sites, err := atlassian.ReadSites(strings.NewReader(answer)); err == nil {
			t.Errorf("%.40q: got %v, want an error", answer, sites)
		}
	}
}

func TestSiteIsSelectedByEachOfItsNames(t *testing.T) {
	sites := read(t, answerOf(t, append(
		twoSites(),
		entry{ID: "teahouse", Name: "called like the other's subdomain", URL: "https://jira.example.com"},
		entry{ID: "c1", Name: "Twin", URL: "https://twin.atlassian.net"},
		entry{ID: "c2", Name: "Twin", URL: "https://twin.atlassian.net"},
		entry{ID: "c3", Name: "Nowhere"},
	)))
	for _, c := range []struct{ wanted, id string }{
		{"5a0d-9a8d", "5a0d-9a8d"},
		{"5A0D-9A8D", "5a0d-9a8d"},
		{"https://garden.atlassian.net", "5a0d-9a8d"},
		{" HTTPS://Garden.Atlassian.NET/ ", "5a0d-9a8d"},
		{"http://garden.atlassian.net/wiki/spaces/X?y=z#top", "5a0d-9a8d"},
		{"garden.atlassian.net", "5a0d-9a8d"},
		{"garden.atlassian.net:443/jira", "5a0d-9a8d"},
		{"Garden", "5a0d-9a8d"},
		{"https://teahouse.atlassian.net", "5a0d-7ea0"},
		{"teahouse", "teahouse"}, // a cloud id goes before a subdomain
		{"jira.example.com", "teahouse"},
		{"c2", "c2"},
	} {
		got, err := atlassian.Select(sites, c.wanted)
		if err != nil || got.ID != c.id {
			t.Errorf("%q: got %q (%v), want %q", c.wanted, got.ID, err, c.id)
		}
	}
	for _, c := range []struct {
		wanted  string
		choices []string
		kind    keybearer.Kind
	}{
		{"", []string{"c1", "c2", "c3", "teahouse", "5a0d-7ea0", "5a0d-9a8d"}, keybearer.BadRequest},
		{"twin", []string{"c1", "c2"}, keybearer.BadRequest},
		{"https://twin.atlassian.net/", []string{"c1", "c2"}, keybearer.BadRequest},
		{"gard", []string{"c1", "c2", "c3", "teahouse", "5a0d-7ea0", "5a0d-9a8d"}, keybearer.NotFound},
		{"jira", []string{"c1", "c2", "c3", "teahouse", "5a0d-7ea0", "5a0d-9a8d"}, keybearer.NotFound},
		{"https://user@garden.atlassian.net", []string{"c1", "c2", "c3", "teahouse", "5a0d-7ea0", "5a0d-9a8d"}, keybearer.NotFound},
		{"https://garden.atlassian.net.evil.example", []string{"c1", "c2", "c3", "teahouse", "5a0d-7ea0", "5a0d-9a8d"}, keybearer.NotFound},
	} {
		_, err := atlassian.Select(sites, c.wanted)
		choice, ok := errors.AsType[*atlassian.ChoiceError](err)
		if !ok || !errors.Is(err, c.kind) {
			t.Errorf("%q: got %v, want a choice of kind %s", c.wanted, err, c.kind)
			continue
		}
		var ids []string
		for _, s := range choice.Sites {
			ids = append(ids, s.ID)
			if !strings.Contains(err.Error(), s.ID) {
				t.Errorf("%q: the error does not name %s: %v", c.wanted, s.ID, err)
			}
		}
		slices.Sort(ids)
		slices.Sort(c.choices)
		if diff := cmp.Diff(c.choices, ids); diff != "" {
			t.Errorf("%q: choices (-want +got):\n%s", c.wanted, diff)
		}
	}
}

func TestOnlySiteNeedsNoName(t *testing.T) {
	only := []atlassian.Site{{ID: "a"}}
	if got, err := atlassian.Select(only, " "); err != nil || got.ID != "a" {
		t.Errorf("got %v (%v), want the only site", got, err)
	}
	if _, err := atlassian.Select(only, "b"); !errors.Is(err, keybearer.NotFound) {
		t.Errorf("another name: got %v, want not found", err)
	}
	_, err := atlassian.Select(nil, "")
	if !errors.Is(err, keybearer.NotFound) || !strings.Contains(err.Error(), "ask the site's admin") {
		t.Errorf("no site: got %v, want not found and what to do", err)
	}
}

func TestErrorOfAHugeChoiceStaysReadable(t *testing.T) {
	var sites []atlassian.Site
	for i := range 500 {
		sites = append(sites, atlassian.Site{ID: fmt.Sprint(i)})
	}
	_, err := atlassian.Select(sites, "x\x1b[2J"+strings.Repeat("y", 10000))
	if text := err.Error(); len(text) > 2500 || !strings.Contains(text, "and 480 more") || strings.Contains(text, "\x1b") {
		t.Errorf("got %d bytes: %.300q", len(text), text)
	}
}

func TestSitesThatVanishedAndAppearedAreTold(t *testing.T) {
	a, b, c := atlassian.Site{ID: "a"}, atlassian.Site{ID: "b"}, atlassian.Site{ID: "c"}
	vanished, appeared := atlassian.Compare([]atlassian.Site{a, b}, []atlassian.Site{c, {ID: "b", Name: "renamed"}})
	if diff := cmp.Diff([][]atlassian.Site{{a}, {c}}, [][]atlassian.Site{vanished, appeared}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if vanished, appeared = atlassian.Compare([]atlassian.Site{a, b}, []atlassian.Site{b, a}); vanished != nil || appeared != nil {
		t.Errorf("the same sites in another order: got %v and %v", vanished, appeared)
	}
}

// The sandbox lists each site once per product and shuffles; we see each site once.
func TestSitesOfTheSandbox(t *testing.T) {
	s := newSandbox(t, "read:jira-work read:page:confluence read:servicedesk-request offline_access")
	res := s.get("/oauth/token/accessible-resources")
	defer func() { _ = res.Body.Close() }()
	sites, err := atlassian.ReadSites(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("got %s: %v", res.Status, err)
	}
	var got []string
	for _, site := range sites {
		got = append(got, site.String())
	}
	want := []string{
		"sandbox-garden – https://sandbox-garden.atlassian.net – Jira",
		"sandbox-teahouse – https://sandbox-teahouse.atlassian.net – Confluence, Jira, Jira Service Management",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := atlassian.Select(sites, ""); !errors.Is(err, keybearer.BadRequest) {
		t.Errorf("two sites: got %v, want to be asked", err)
	}
}

func FuzzReadSites(f *testing.F) {
	f.Add(answerOf(f, twoSites()))
	f.Add(`[{"id":"a","scopes":"x y","url":"https://[::1]:443"}]`)
	f.Fuzz(func(t *testing.T, answer string) {
		sites, err := atlassian.ReadSites(strings.NewReader(answer))
		if err != nil {
			return
		}
		var entries []entry
		for i, s := range sites {
			if strings.ContainsAny(s.String(), "\n\r\x1b") {
				t.Errorf("%q is not fit to be shown", s)
			}
			if got, err := atlassian.Select(sites, s.ID); err != nil && !errors.Is(err, keybearer.BadRequest) || err == nil && !strings.EqualFold(got.ID, s.ID) {
				t.Errorf("selecting %q by its own id: %v, %v", s.ID, got, err)
			}
			entries = append(entries, entry{s.ID, s.Name, s.URL, s.Scopes, s.AvatarURL})
			if i > 0 && s.ID == sites[i-1].ID {
				t.Errorf("%q is there twice", s.ID)
			}
		}
		slices.Reverse(entries)
		if entries == nil {
			return
		}
		again := read(t, answerOf(t, entries))
		if diff := cmp.Diff(ids(sites), ids(again)); diff != "" {
			t.Errorf("another order of the same sites gave another list:\n%s", diff)
		}
	})
}

func ids(sites []atlassian.Site) (all []string) {
	for _, s := range sites {
		all = append(all, s.ID)
	}
	return all
}
