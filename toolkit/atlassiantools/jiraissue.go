package atlassiantools

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/keybearer/keybearer/tool"
)

// newestComments is how many comments of an issue are shown.
const newestComments = 10

// GetIssueInput is what GetIssue takes.
type GetIssueInput struct {
	Issue string `json:"issue" jsonschema:"The key of the issue, for example TEA-1."`
	Site  string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// Issue is an issue.
type Issue struct {
	Key           string    `json:"key"`
	Summary       string    `json:"summary"`
	Type          string    `json:"type,omitempty"`
	Status        string    `json:"status,omitempty"`
	Priority      string    `json:"priority,omitempty"`
	Assignee      string    `json:"assignee,omitempty"`
	Reporter      string    `json:"reporter,omitempty"`
	Parent        string    `json:"parent,omitempty" jsonschema:"The key of the issue above it."`
	Labels        []string  `json:"labels,omitempty"`
	Created       string    `json:"created,omitempty"`
	Updated       string    `json:"updated,omitempty"`
	URL           string    `json:"url,omitempty"`
	Description   string    `json:"description,omitempty"`
	Comments      []Comment `json:"comments,omitempty" jsonschema:"The newest comments, at most 10, the oldest of them first."`
	TotalComments int       `json:"total_comments"`
}

// Comment is a comment of an issue.
type Comment struct {
	Author  string `json:"author,omitempty"`
	Created string `json:"created,omitempty"`
	Text    string `json:"text"`
}

func (j jira) getIssue(ctx context.Context, c *tool.Call, in GetIssueInput) (Issue, error) {
	path, err := issuePath(in.Issue, "")
	if err != nil {
		return Issue{}, err
	}
	d, err := j.desk(ctx, c, in.Site, []string{readJira})
	if err != nil {
		return Issue{}, err
	}
	var found struct {
		Key    string      `json:"key"`
		Fields issueFields `json:"fields"`
	}
	fields := url.Values{"fields": {"summary,status,issuetype,priority,assignee,reporter,labels,created,updated,parent,description"}}
	if err := d.do(ctx, request{method: http.MethodGet, path: path, query: fields, into: &found}); err != nil {
		return Issue{}, err
	}
	f := found.Fields
	out := Issue{
		Key: line(found.Key), Summary: line(f.Summary), Type: line(f.IssueType.Name), Status: line(f.Status.Name), Priority: line(f.Priority.Name),
		Assignee: line(f.Assignee.DisplayName), Reporter: line(f.Reporter.DisplayName), Parent: line(f.Parent.Key), Labels: lines(f.Labels),
		Created: when(f.Created), Updated: when(f.Updated), URL: d.browse(found.Key), Description: read(f.Description, maxDescription),
	}
	// The issue itself would bring all of its comments, and there may be thousands.
	var page struct {
		Total    int `json:"total"`
		Comments []struct {
			Author  person          `json:"author"`
			Created string          `json:"created"`
			Body    json.RawMessage `json:"body"`
		} `json:"comments"`
	}
	newest := url.Values{"orderBy": {"-created"}, "maxResults": {strconv.Itoa(newestComments)}}
	if err := d.do(ctx, request{method: http.MethodGet, path: path + "/comment", query: newest, into: &page}); err != nil {
		return Issue{}, err
	}
	out.TotalComments = page.Total
	for _, c := range slices.Backward(page.Comments) {
		out.Comments = append(out.Comments, Comment{Author: line(c.Author.DisplayName), Created: when(c.Created), Text: read(c.Body, maxComment)})
	}
	return out, nil
}
