package atlassiantest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// issue is a Jira issue.
type issue struct {
	ID, Key, Project, Summary string
}

// desk is what one Jira holds: two projects and their issues.
type desk struct {
	issues []issue
	born   int
}

// maxIssues bounds what clients can create; the oldest go first.
const maxIssues = 1000

func newDesk() *desk {
	d := &desk{}
	for _, summary := range []string{"Warm the pots", "Order more oolong", "Write the menu"} {
		d.add("TEA", summary)
	}
	d.add("GARDEN", "Water the moss")
	return d
}

func (d *desk) add(project, summary string) issue {
	d.born++
	n := 1
	for _, i := range d.issues {
		if i.Project == project {
			n = ordinal(i.Key) + 1
		}
	}
	made := issue{strconv.Itoa(10000 + d.born), fmt.Sprintf("%s-%d", project, n), project, summary}
	if len(d.issues) == maxIssues {
		d.issues = slices.Delete(d.issues, 0, 1)
	}
	d.issues = append(d.issues, made)
	return made
}

// ordinal is the number in an issue's key.
func ordinal(key string) int {
	_, digits, _ := strings.Cut(key, "-")
	n, _ := strconv.Atoi(digits) // keys are made here
	return n
}

// find looks an issue up by key or id.
func (d *desk) find(name string) (*issue, bool) {
	i := slices.IndexFunc(d.issues, func(i issue) bool { return i.Key == name || i.ID == name })
	if i < 0 {
		return nil, false
	}
	return &d.issues[i], true
}

// json is the issue as the API shows it, below the API's base URL.
func (i issue) json(api string) map[string]any {
	return map[string]any{
		"id": i.ID, "key": i.Key, "self": api + "/issue/" + i.ID,
		"fields": map[string]any{
			"summary": i.Summary, "project": map[string]string{"key": i.Project},
			"issuetype": map[string]string{"name": "Task"}, "status": map[string]string{"name": "To Do"},
		},
	}
}

func projects(api string) []map[string]any {
	var all []map[string]any
	for n, p := range [][2]string{{"TEA", "Tea house"}, {"GARDEN", "Garden"}} {
		id := strconv.Itoa(10100 + n)
		all = append(all, map[string]any{"id": id, "key": p[0], "name": p[1], "self": api + "/project/" + id})
	}
	return all
}

func fields() []map[string]any {
	return []map[string]any{
		{"id": "summary", "name": "Summary", "custom": false, "navigable": true, "searchable": true},
		{"id": "status", "name": "Status", "custom": false, "navigable": true, "searchable": true},
		{"id": "customfield_10016", "name": "Story points", "custom": true, "navigable": true, "searchable": true},
	}
}

// draft is what a client sends to create or change an issue.
type draft struct {
	Fields struct {
		Summary string `json:"summary"`
		Project struct {
			Key string `json:"key"`
		} `json:"project"`
	} `json:"fields"`
}

// check returns Jira's complaints, by field.
func (d draft) check(creating bool) map[string]string {
	wrong := map[string]string{}
	if d.Fields.Summary == "" {
		wrong["summary"] = "You must specify a summary of the issue."
	}
	if p := d.Fields.Project.Key; creating && p != "TEA" && p != "GARDEN" {
		wrong["project"] = "valid project is required"
	}
	return wrong
}

// readDraft reads the body of a PUT, or of a POST that was read before.
func readDraft(r *http.Request, fields string) (draft, error) {
	var d draft
	if fields != "" {
		return d, json.Unmarshal([]byte(fields), &d.Fields)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
	if err != nil {
		return d, err
	}
	if len(body) == 0 {
		return d, errors.New("there is no body")
	}
	return d, json.Unmarshal(body, &d)
}

// wikiPage is one page of a Confluence space.
type wikiPage struct{ ID, Title string }

func wikiPages() []wikiPage {
	return []wikiPage{{"98310", "Welcome"}, {"98311", "How to pour"}, {"98312", "Cleaning"}}
}

const (
	wikiSpaceID  = "65537"
	wikiSpaceKey = "TEA"
)
