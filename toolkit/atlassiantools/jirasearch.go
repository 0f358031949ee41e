package atlassiantools

import (
	"context"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/tool"
)

// The bounds of a page of a search.
const (
	usualLimit = 20
	maxLimit   = 100
	maxQuery   = 8_000 // bytes of JQL or CQL
	maxToken   = 4_000 // bytes of a page token
)

// SearchIssuesInput is what SearchIssues takes.
type SearchIssuesInput struct {
	JQL       string `json:"jql" jsonschema:"The query in JQL, with a restriction, for example: project = TEA AND status != Done ORDER BY updated DESC"`
	Limit     int    `json:"limit,omitempty" jsonschema:"How many issues at most. The default is 20; no more than 100."`
	PageToken string `json:"page_token,omitempty" jsonschema:"The next_page_token of the answer before, to go on with the same query."`
	Site      string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// SearchIssuesOutput is a page of issues.
type SearchIssuesOutput struct {
	Issues        []FoundIssue `json:"issues"`
	NextPageToken string       `json:"next_page_token,omitempty" jsonschema:"There are more issues if this is given."`
}

// FoundIssue is an issue as a search shows it.
type FoundIssue struct {
	Key      string `json:"key"`
	Summary  string `json:"summary"`
	Type     string `json:"type,omitempty"`
	Status   string `json:"status,omitempty"`
	Priority string `json:"priority,omitempty"`
	Assignee string `json:"assignee,omitempty"`
	Updated  string `json:"updated,omitempty"`
	URL      string `json:"url,omitempty"`
}

func (j jira) searchIssues(ctx context.Context, c *tool.Call, in SearchIssuesInput) (SearchIssuesOutput, error) {
	limit, err := pageOf(in.Limit, in.PageToken)
	if err != nil {
		return SearchIssuesOutput{}, err
	}
	if strings.TrimSpace(in.JQL) == "" || len(in.JQL) > maxQuery {
		return SearchIssuesOutput{}, badInput("jql has to be a query of at most %d bytes", maxQuery)
	}
	d, err := j.desk(ctx, c, in.Site, []string{readJira})
	if err != nil {
		return SearchIssuesOutput{}, err
	}
	sent := map[string]any{
		"jql": in.JQL, "maxResults": limit, // fields have to be named, or there are ids alone
		"fields": []string{"summary", "status", "issuetype", "priority", "assignee", "updated"},
	}
	if in.PageToken != "" {
		sent["nextPageToken"] = in.PageToken
	}
	var page struct {
		Issues []struct {
			Key    string      `json:"key"`
			Fields issueFields `json:"fields"`
		} `json:"issues"`
		NextPageToken string `json:"nextPageToken"`
	}
	// The query goes in a body, since addresses are cut somewhere; it changes nothing.
	if err := d.do(ctx, request{method: http.MethodPost, path: "/rest/api/3/search/jql", body: sent, into: &page}); err != nil {
		return SearchIssuesOutput{}, err
	}
	out := SearchIssuesOutput{Issues: []FoundIssue{}, NextPageToken: page.NextPageToken}
	for _, i := range page.Issues {
		out.Issues = append(out.Issues, FoundIssue{
			Key: line(i.Key), Summary: line(i.Fields.Summary), Type: line(i.Fields.IssueType.Name), Status: line(i.Fields.Status.Name),
			Priority: line(i.Fields.Priority.Name), Assignee: line(i.Fields.Assignee.DisplayName), Updated: when(i.Fields.Updated), URL: d.browse(i.Key),
		})
	}
	return out, nil
}

// pageOf gives the size of a page, and refuses what cannot be a token.
func pageOf(limit int, token string) (int, error) {
	switch {
	case limit < 0 || limit > maxLimit:
		return 0, badInput("limit has to be a number from 1 to %d", maxLimit)
	case len(token) > maxToken:
		return 0, badInput("page_token has to be the next_page_token of the answer before")
	case limit == 0:
		return usualLimit, nil
	}
	return limit, nil
}
