package atlassiantools

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/tool"
)

// The classic scopes of Jira, which Atlassian recommends: each does for many granular ones.
const (
	readJira  = "read:jira-work"
	writeJira = "write:jira-work"
)

// Jira is the toolkit for Jira.
func Jira(c Config) *tool.Kit {
	j := jira{product{atlassian.Jira, c.withDefaults()}}
	return &tool.Kit{
		Name: "Jira", Version: version, Description: "Search, read, create, comment and move issues of Jira Cloud.",
		Tools: []*tool.Tool{
			tool.New("ListSites", "List the Jira sites that the user's authorization reaches. Only needed where the user has several.",
				j.listSites, tool.Title("List Jira sites"), tool.Requires(c.needs(readJira)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("SearchIssues", "Search issues with JQL. Gives keys, summaries and states; GetIssue has the rest.",
				j.searchIssues, tool.Title("Search Jira issues"), tool.Requires(c.needs(readJira)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("GetIssue", "Read an issue: fields, description, and the newest comments.",
				j.getIssue, tool.Title("Read a Jira issue"), tool.Requires(c.needs(readJira)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("CreateIssue", "Create an issue in a project.",
				j.createIssue, tool.Title("Create a Jira issue"), tool.Requires(c.needs(writeJira)), tool.Additive()),
			tool.New("AddComment", "Add a comment to an issue.",
				j.addComment, tool.Title("Comment on a Jira issue"), tool.Requires(c.needs(writeJira)), tool.Additive()),
			tool.New("ListTransitions", "List the states that an issue can be moved to now.",
				j.listTransitions, tool.Title("List a Jira issue's transitions"), tool.Requires(c.needs(readJira)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("TransitionIssue", "Move an issue to another state of its workflow, such as Done.",
				j.transitionIssue, tool.Title("Move a Jira issue"), tool.Requires(c.needs(readJira, writeJira)), tool.Destructive()),
		},
	}
}

// jira are the functions of its tools.
type jira struct{ product }

// issuePath is the path of an issue, with what comes behind it.
func issuePath(key, behind string) (string, error) {
	key = strings.TrimSpace(key)
	if !regexp.MustCompile(`^([A-Za-z][A-Za-z0-9_]{0,254}-)?[0-9]{1,18}$`).MatchString(key) {
		return "", badInput("issue has to be the key of an issue, such as TEA-1, and not %q", line(key))
	}
	return "/rest/api/3/issue/" + url.PathEscape(strings.ToUpper(key)) + behind, nil
}

// badInput is the error of an argument that cannot be right.
func badInput(format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	return &tool.Error{Kind: api.ToolBadInput, Message: text + ".", CanRetry: true, Prompt: "Nothing was done. Correct the argument: " + text}
}

// named is what Jira calls a thing by.
type named struct {
	Name string `json:"name"`
}

// person is somebody as Jira shows them.
type person struct {
	DisplayName string `json:"displayName"`
}

// issueRef names another issue.
type issueRef struct {
	Key string `json:"key"`
}

// issueFields are those of an issue that a model is shown.
type issueFields struct {
	Summary     string          `json:"summary"`
	Status      named           `json:"status"`
	IssueType   named           `json:"issuetype"`
	Priority    named           `json:"priority"`
	Assignee    person          `json:"assignee"`
	Reporter    person          `json:"reporter"`
	Labels      []string        `json:"labels"`
	Created     string          `json:"created"`
	Updated     string          `json:"updated"`
	Parent      issueRef        `json:"parent"`
	Description json.RawMessage `json:"description"`
}

// browse is where people find an issue.
func (d *desk) browse(key string) string {
	if d.site.URL == "" {
		return ""
	}
	return d.site.URL + "/browse/" + url.PathEscape(key)
}
