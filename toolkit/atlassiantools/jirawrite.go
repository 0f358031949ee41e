package atlassiantools

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/tool"
	"github.com/keybearer/keybearer/toolkit/internal/document"
)

// CreateIssueInput is what CreateIssue takes.
type CreateIssueInput struct {
	Project     string   `json:"project" jsonschema:"The key of the project, for example TEA."`
	Summary     string   `json:"summary" jsonschema:"The title, on one line."`
	Type        string   `json:"type,omitempty" jsonschema:"The type as the project names it: Task, Bug, Story and so on. The default is Task."`
	Description string   `json:"description,omitempty" jsonschema:"Text with simple Markdown: headings, lists, quotes, code, links, **strong**."`
	Priority    string   `json:"priority,omitempty" jsonschema:"The priority by name, for example High."`
	Labels      []string `json:"labels,omitempty" jsonschema:"Labels, without spaces in them."`
	Parent      string   `json:"parent,omitempty" jsonschema:"The key of the issue or epic that it belongs under."`
	Site        string   `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// CreatedIssue is an issue that was created.
type CreatedIssue struct {
	Key string `json:"key"`
	URL string `json:"url,omitempty"`
}

func (j jira) createIssue(ctx context.Context, c *tool.Call, in CreateIssueInput) (CreatedIssue, error) {
	summary := strings.TrimSpace(in.Summary)
	switch {
	case strings.TrimSpace(in.Project) == "":
		return CreatedIssue{}, badInput("project has to be the key of a project")
	case summary == "" || len([]rune(summary)) > maxTitle || strings.Contains(summary, "\n"):
		return CreatedIssue{}, badInput("summary has to be one line of at most %d letters", maxTitle)
	case len([]rune(in.Description)) > maxIssueText:
		return CreatedIssue{}, badInput("description has to be shorter than %d letters", maxIssueText)
	}
	d, err := j.desk(ctx, c, in.Site, []string{writeJira})
	if err != nil {
		return CreatedIssue{}, err
	}
	fields := map[string]any{
		"project":   map[string]string{"key": strings.ToUpper(strings.TrimSpace(in.Project))},
		"issuetype": map[string]string{"name": cmp.Or(strings.TrimSpace(in.Type), "Task")},
		"summary":   summary,
	}
	if strings.TrimSpace(in.Description) != "" {
		fields["description"] = document.Write(in.Description)
	}
	if in.Priority != "" {
		fields["priority"] = map[string]string{"name": in.Priority}
	}
	if in.Parent != "" {
		fields["parent"] = map[string]string{"key": in.Parent}
	}
	if len(in.Labels) > 0 {
		fields["labels"] = in.Labels
	}
	var made CreatedIssue
	sent := map[string]any{"fields": fields}
	if err := d.do(ctx, request{method: http.MethodPost, path: "/rest/api/3/issue", body: sent, into: &made, change: true}); err != nil {
		return CreatedIssue{}, err
	}
	return CreatedIssue{Key: line(made.Key), URL: d.browse(made.Key)}, nil
}

// AddCommentInput is what AddComment takes.
type AddCommentInput struct {
	Issue string `json:"issue" jsonschema:"The key of the issue, for example TEA-1."`
	Text  string `json:"text" jsonschema:"Text with simple Markdown: headings, lists, quotes, code, links, **strong**."`
	Site  string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// AddedComment is a comment that was added.
type AddedComment struct {
	ID  string `json:"id"`
	URL string `json:"url,omitempty"`
}

func (j jira) addComment(ctx context.Context, c *tool.Call, in AddCommentInput) (AddedComment, error) {
	path, err := issuePath(in.Issue, "/comment")
	switch {
	case err != nil:
		return AddedComment{}, err
	case strings.TrimSpace(in.Text) == "" || len([]rune(in.Text)) > maxIssueText:
		return AddedComment{}, badInput("text has to be there, and shorter than %d letters", maxIssueText)
	}
	d, err := j.desk(ctx, c, in.Site, []string{writeJira})
	if err != nil {
		return AddedComment{}, err
	}
	var made AddedComment
	sent := map[string]any{"body": document.Write(in.Text)}
	if err := d.do(ctx, request{method: http.MethodPost, path: path, body: sent, into: &made, change: true}); err != nil {
		return AddedComment{}, err
	}
	out := AddedComment{ID: line(made.ID)}
	if page := d.browse(strings.ToUpper(strings.TrimSpace(in.Issue))); page != "" {
		out.URL = page + "?focusedCommentId=" + out.ID
	}
	return out, nil
}
