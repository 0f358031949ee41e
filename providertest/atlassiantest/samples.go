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
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// issue is a Jira issue.
type issue struct {
	ID, Key, Project, Summary string

	Description      richText
	Status           string // of [statuses]
	Comments         []comment
	Type, Priority   string // of [issueTypes] and [priorities]
	Labels           []string
	Parent           string // the key of another issue, or ""
	Reporter         map[string]any
	Created, Updated time.Time
}

// comment is one of an issue's.
type comment struct {
	ID   int
	Text richText
	By   map[string]any
	At   time.Time
}

// issueTypes are those of every project, the usual one first.
func issueTypes() []string { return []string{"Task", "Bug", "Story", "Epic", "Sub-task"} }

// priorities are those of every issue, from the highest; the usual one is Medium.
func priorities() []string { return []string{"Highest", "High", "Medium", "Low", "Lowest"} }

// maxComments bounds those of one issue; the oldest go first.
const maxComments = 100

// statuses are those of every issue, in the order of the work. Each can follow
// each, by the transition that stands at its place: 11, 21 and 31.
func statuses() []string { return []string{"To Do", "In Progress", "Done"} }

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

func (d *desk) add(project, summary string) *issue {
	d.born++
	n := 1
	for _, i := range d.issues {
		if i.Project == project {
			n = ordinal(i.Key) + 1
		}
	}
	made := issue{
		ID: strconv.Itoa(10000 + d.born), Key: fmt.Sprintf("%s-%d", project, n), Project: project, Summary: summary, Status: statuses()[0],
		Type: issueTypes()[0], Priority: "Medium", Labels: []string{}, Created: opening(), Updated: opening(),
	}
	if len(d.issues) == maxIssues {
		d.issues = slices.Delete(d.issues, 0, 1)
	}
	d.issues = append(d.issues, made)
	return &d.issues[len(d.issues)-1]
}

// opening is when the issues were made that are there from the start.
func opening() time.Time { return time.Date(2026, time.January, 5, 9, 0, 0, 0, time.UTC) }

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
func (i issue) json(api string, rich bool) map[string]any {
	kind, priority := strconv.Itoa(10001+slices.Index(issueTypes(), i.Type)), strconv.Itoa(1+slices.Index(priorities(), i.Priority))
	var parent any
	if i.Parent != "" {
		parent = map[string]any{"key": i.Parent, "self": api + "/issue/" + i.Parent}
	}
	return map[string]any{
		"id": i.ID, "key": i.Key, "self": api + "/issue/" + i.ID, "expand": "renderedFields,names,schema,transitions",
		"fields": map[string]any{
			"summary": i.Summary, "description": i.Description.written(rich), "labels": i.Labels, "parent": parent,
			"project":   map[string]any{"id": projectID(i.Project), "key": i.Project, "self": api + "/project/" + projectID(i.Project)},
			"issuetype": map[string]any{"id": kind, "name": i.Type, "subtask": i.Type == "Sub-task", "self": api + "/issuetype/" + kind},
			"priority":  map[string]any{"id": priority, "name": i.Priority, "self": api + "/priority/" + priority},
			"reporter":  i.Reporter, "assignee": nil, "created": jiraTime(i.Created), "updated": jiraTime(i.Updated),
			"status":  statusOf(i.Status, api),
			"comment": map[string]any{"total": len(i.Comments)},
		},
	}
}

// statusOf is a status as an issue shows it.
func statusOf(name, api string) map[string]any {
	n := strconv.Itoa(10010 + slices.Index(statuses(), name))
	category := map[string]string{"To Do": "new", "In Progress": "indeterminate", "Done": "done"}[name]
	return map[string]any{"id": n, "name": name, "self": api + "/status/" + n, "statusCategory": map[string]any{"key": category, "name": name}}
}

// transitions is the answer to where an issue can go.
func transitions() map[string]any {
	all := []map[string]any{}
	for n, name := range statuses() {
		all = append(all, map[string]any{"id": strconv.Itoa(10*n + 11), "name": name, "isAvailable": true, "to": statusOf(name, "")})
	}
	return map[string]any{"expand": "transitions", "transitions": all}
}

// move takes the transition of a POST, as {"id":"21"}.
func (i *issue) move(sent string) *providertest.Answer {
	var transition struct {
		ID json.Number `json:"id"`
	}
	err := json.Unmarshal([]byte(sent), &transition)
	for n, name := range statuses() {
		if err == nil && transition.ID.String() == strconv.Itoa(10*n+11) {
			i.Status = name
			return noContent()
		}
	}
	return jiraError(http.StatusBadRequest, "Transition id '"+transition.ID.String()+"' is not valid for this issue.")
}

func noContent() *providertest.Answer {
	return &providertest.Answer{Status: http.StatusNoContent, Header: http.Header{}}
}

func projects(api string) []map[string]any {
	var all []map[string]any
	for _, p := range [][2]string{{"TEA", "Tea house"}, {publicProject, "Garden"}} {
		id := projectID(p[0])
		all = append(all, map[string]any{
			"id": id, "key": p[0], "name": p[1], "self": api + "/project/" + id, "projectTypeKey": "software", "isPrivate": false,
		})
	}
	return all
}

// projectID is the number of a project, by its key.
func projectID(key string) string {
	if key == publicProject {
		return "10101"
	}
	return "10100"
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
		Summary     string          `json:"summary"`
		Description json.RawMessage `json:"description"`
		Project     struct {
			Key string `json:"key"`
			ID  string `json:"id"`
		} `json:"project"`
		IssueType struct {
			Name string `json:"name"`
			ID   string `json:"id"`
		} `json:"issuetype"`
		Priority struct {
			Name string `json:"name"`
		} `json:"priority"`
		Parent struct {
			Key string `json:"key"`
		} `json:"parent"`
		Labels []string `json:"labels"`
	} `json:"fields"`
}

// text is the description as it is kept, where there is one.
func (d draft) text(rich bool) (text richText, ok bool) {
	sent := string(d.Fields.Description)
	if sent == "" || sent == "null" {
		return richText{}, true
	}
	if !rich {
		return text, json.Unmarshal(d.Fields.Description, &text.Plain) == nil
	}
	return readText(sent, rich)
}

// check returns Jira's complaints, by field.
func (d draft) check(creating, rich bool) map[string]string {
	wrong := map[string]string{}
	if _, ok := d.text(rich); !ok && rich {
		wrong["description"] = "Operation value must be an Atlassian Document (see the Atlassian Document Format)"
	} else if !ok {
		wrong["description"] = "Operation value must be a string"
	}
	if d.Fields.Summary == "" && (creating || d.Fields.Description == nil) {
		wrong["summary"] = "You must specify a summary of the issue."
	}
	if p := d.project(); creating && p == "" {
		wrong["project"] = "valid project is required"
	}
	if d.kind() == "" {
		wrong["issuetype"] = "Specify a valid issue type"
	}
	if p := d.Fields.Priority.Name; p != "" && !slices.Contains(priorities(), p) {
		wrong["priority"] = "The priority selected is invalid."
	}
	if slices.ContainsFunc(d.Fields.Labels, func(label string) bool { return strings.Contains(label, " ") }) {
		wrong["labels"] = "The label can't contain spaces."
	}
	return wrong
}

// project is the key of the project that it names by key or id, or "".
func (d draft) project() string {
	for _, key := range []string{"TEA", publicProject} {
		if d.Fields.Project.Key == key || d.Fields.Project.ID == projectID(key) {
			return key
		}
	}
	return ""
}

// kind is the type that it names, or "" for one that is none. The real Jira
// wants it named; here a draft without one is a task.
func (d draft) kind() string {
	all := issueTypes()
	sent := d.Fields.IssueType
	for n, name := range all {
		if sent.Name == name || sent.ID == strconv.Itoa(10001+n) {
			return name
		}
	}
	if sent.Name == "" && sent.ID == "" {
		return all[0]
	}
	return ""
}

// maxSent bounds the body of a PUT.
const maxSent = 64 << 10

// readDraft reads the body of a PUT, or of a POST that was read before.
func readDraft(r *http.Request, fields string) (draft, error) {
	var d draft
	if fields != "" {
		return d, json.Unmarshal([]byte(fields), &d.Fields)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxSent))
	if err != nil {
		return d, err
	}
	if len(body) == 0 {
		return d, errors.New("there is no body")
	}
	return d, json.Unmarshal(body, &d)
}
