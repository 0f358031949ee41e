package atlassiantools_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keybearer/keybearer/toolkit/atlassiantools"
)

// A user is asked for what a tool declares and for no more, so each tool has to do with it.
func TestEachToolWorksWithItsOwnScopesAlone(t *testing.T) {
	w := newWorld(t)
	story := []struct {
		worker, name string
		in           inputs
		gives        string
	}{
		{w.jira, "ListSites", nil, teahouse},
		{w.jira, "SearchIssues", inputs{"jql": "project = TEA"}, "Warm the pots"},
		{w.jira, "GetIssue", inputs{"issue": "TEA-1"}, "Warm the pots"},
		{w.jira, "CreateIssue", inputs{"project": "TEA", "summary": "Pour"}, "TEA-4"},
		{w.jira, "AddComment", inputs{"issue": "TEA-1", "text": "soon"}, "20000"},
		{w.jira, "ListTransitions", inputs{"issue": "TEA-1"}, "In Progress"},
		{w.jira, "TransitionIssue", inputs{"issue": "TEA-1", "to": "done"}, "Done"},
		{w.confluence, "ListSites", nil, teahouse},
		{w.confluence, "ListSpaces", nil, "Tea house"},
		{w.confluence, "SearchPages", inputs{"text": "slowly"}, "How to pour"},
		{w.confluence, "GetPage", inputs{"page": "98311"}, "Slowly."},
		{w.confluence, "CreatePage", inputs{"space": "TEA", "title": "Sieves"}, "98313"},
		{w.confluence, "UpdatePage", inputs{"page": "98313", "version": 1, "title": "All sieves"}, "All sieves"},
	}
	declared := append(w.tools(w.jira), w.tools(w.confluence)...)
	if len(declared) != len(story) {
		t.Errorf("the kits have %d tools, %d are tried here", len(declared), len(story))
	}
	for i, s := range story {
		if declared[i].Name != s.name {
			t.Fatalf("tool %d is %s, want %s", i, declared[i].Name, s.name)
		}
		w.consent("alice", []string{"sandbox-teahouse"}, strings.Join(declared[i].Requirements.Authorization.OAuth2.Scopes, " "))
		if out := w.call(s.worker, s.name, s.in); !strings.Contains(string(out.Value), s.gives) {
			t.Errorf("%s: got %s and %+v, want %s in it", s.name, out.Value, out.Error, s.gives)
		}
	}
}

func TestIssueFromCreationToDone(t *testing.T) {
	w := newWorld(t)
	w.alice()
	text := "## Why\n\nThe pots are **cold**, see https://example.com/pots.\n\n- green\n- black"
	made := does[atlassiantools.CreatedIssue](w, w.jira, "CreateIssue", inputs{
		"project": "tea", "type": "Bug", "summary": "Cold pots", "description": text, "priority": "High", "labels": []string{"hot"}, "parent": "TEA-1",
	})
	if diff := cmp.Diff(atlassiantools.CreatedIssue{Key: "TEA-4", URL: "https://sandbox-teahouse.atlassian.net/browse/TEA-4"}, made); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	for _, said := range []string{"first", "second\n\n> quoted"} {
		added := does[atlassiantools.AddedComment](w, w.jira, "AddComment", inputs{"issue": made.Key, "text": said})
		if added.ID == "" || !strings.HasSuffix(added.URL, "/browse/TEA-4?focusedCommentId="+added.ID) {
			t.Errorf("the comment is %+v", added)
		}
	}
	moved := does[atlassiantools.MovedIssue](w, w.jira, "TransitionIssue", inputs{"issue": "tea-4", "to": "in progress"})
	if moved.Status != "In Progress" {
		t.Errorf("moved to %q, want In Progress", moved.Status)
	}
	got := does[atlassiantools.Issue](w, w.jira, "GetIssue", inputs{"issue": made.Key})
	want := atlassiantools.Issue{
		Key: "TEA-4", Summary: "Cold pots", Type: "Bug", Status: "In Progress", Priority: "High", Reporter: "Alice Adams", Parent: "TEA-1",
		Labels: []string{"hot"}, URL: made.URL, Description: text, TotalComments: 2,
		Comments: []atlassiantools.Comment{{Author: "Alice Adams", Text: "first"}, {Author: "Alice Adams", Text: "second\n\n> quoted"}},
	}
	times := cmp.Options{cmpopts.IgnoreFields(atlassiantools.Issue{}, "Created", "Updated"), cmpopts.IgnoreFields(atlassiantools.Comment{}, "Created")}
	if diff := cmp.Diff(want, got, times); diff != "" {
		t.Errorf("the issue (-want +got):\n%s", diff)
	}
	if !strings.HasSuffix(got.Created, "Z") || !strings.HasSuffix(got.Comments[0].Created, "Z") {
		t.Errorf("created at %q, the comment at %q", got.Created, got.Comments[0].Created)
	}
	found := does[atlassiantools.SearchIssuesOutput](w, w.jira, "SearchIssues", inputs{"jql": `text ~ "cold" ORDER BY created`})
	if len(found.Issues) != 1 || found.Issues[0].Key != "TEA-4" || found.Issues[0].Status != "In Progress" || found.NextPageToken != "" {
		t.Errorf("found %+v", found)
	}
}

func TestSearchesGoOnByTokens(t *testing.T) {
	w := newWorld(t)
	w.alice()
	var keys, ids []string
	for token, more := "", true; more; more = token != "" {
		page := does[atlassiantools.SearchIssuesOutput](w, w.jira, "SearchIssues", inputs{"jql": "project = TEA", "limit": 2, "page_token": token})
		for _, i := range page.Issues {
			keys = append(keys, i.Key)
		}
		token = page.NextPageToken
	}
	for token, more := "", true; more; more = token != "" {
		page := does[atlassiantools.SearchPagesOutput](w, w.confluence, "SearchPages", inputs{"cql": "type = page", "limit": 2, "page_token": token})
		for _, p := range page.Pages {
			ids = append(ids, p.ID)
		}
		token = page.NextPageToken
	}
	first := does[atlassiantools.ListSpacesOutput](w, w.confluence, "ListSpaces", inputs{"limit": 1})
	second := does[atlassiantools.ListSpacesOutput](w, w.confluence, "ListSpaces", inputs{"limit": 1, "page_token": first.NextPageToken})
	if !slices.Equal(keys, []string{"TEA-1", "TEA-2", "TEA-3"}) || !slices.Equal(ids, []string{"98310", "98311", "98312"}) {
		t.Errorf("got the issues %v and the pages %v", keys, ids)
	}
	if first.Spaces[0].Key != "TEA" || second.Spaces[0].Key != "STAFF" || second.NextPageToken != "" {
		t.Errorf("got the spaces %+v and %+v", first, second)
	}
}

func TestPageFromCreationToChange(t *testing.T) {
	w := newWorld(t)
	w.alice()
	text := "# Oolong\n\n1. Warm\n2. Pour\n\n```sh\nbrew --slowly\n```"
	made := does[atlassiantools.WrittenPage](w, w.confluence, "CreatePage", inputs{"space": "staff", "title": "Teas", "text": text, "parent": "98310"})
	want := atlassiantools.WrittenPage{ID: "98313", Title: "Teas", Version: 1, URL: "https://sandbox-teahouse.atlassian.net/wiki/spaces/STAFF/pages/98313"}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	got := does[atlassiantools.Page](w, w.confluence, "GetPage", inputs{"page": made.ID})
	wantPage := atlassiantools.Page{ID: "98313", Title: "Teas", Version: 1, SpaceID: "65538", Parent: "98310", URL: made.URL, Text: text}
	if diff := cmp.Diff(wantPage, got, cmpopts.IgnoreFields(atlassiantools.Page{}, "Updated")); diff != "" {
		t.Errorf("the page (-want +got):\n%s", diff)
	}
	changed := does[atlassiantools.WrittenPage](w, w.confluence, "UpdatePage", inputs{"page": made.ID, "version": got.Version, "text": text + "\n\n3. Drink", "note": "the last step"})
	if changed.Version != 2 || changed.Title != "Teas" {
		t.Errorf("changed to %+v, want version 2 with the same title", changed)
	}
	found := does[atlassiantools.SearchPagesOutput](w, w.confluence, "SearchPages", inputs{"text": "drink", "space": "STAFF"})
	if len(found.Pages) != 1 || found.Pages[0].ID != made.ID || found.Pages[0].Space != "Staff" || strings.Contains(found.Pages[0].Excerpt, "@@@") || !strings.Contains(found.Pages[0].Excerpt, "Drink") {
		t.Errorf("found %+v", found)
	}
	if found := does[atlassiantools.SearchPagesOutput](w, w.confluence, "SearchPages", inputs{"text": `slowly" AND space = "TEA`}); len(found.Pages) != 0 {
		t.Errorf("words became a query: found %+v", found)
	}
}

func TestLongPagesComeInParts(t *testing.T) {
	w := newWorld(t)
	w.alice()
	var all strings.Builder
	for range 65 {
		all.WriteString(strings.Repeat("Ein Kännchen Tee, bitte. ", 29) + "Danke.\n")
	}
	made := does[atlassiantools.WrittenPage](w, w.confluence, "CreatePage", inputs{"space": "TEA", "title": "Orders", "text": all.String()})
	var parts []string
	for start, more := 0, true; more; more = start > 0 {
		p := does[atlassiantools.Page](w, w.confluence, "GetPage", inputs{"page": made.ID, "start": start})
		parts, start = append(parts, p.Text), p.NextStart
	}
	if got := strings.Join(parts, ""); len(parts) != 3 || got != strings.TrimSpace(all.String()) {
		t.Errorf("%d parts with %d bytes, want 3 with %d", len(parts), len(got), all.Len())
	}
	for i, p := range parts[:2] {
		if !strings.HasSuffix(p, "Danke.\n") {
			t.Errorf("part %d ends with %q, in the middle of a line", i, p[len(p)-20:])
		}
	}
}
