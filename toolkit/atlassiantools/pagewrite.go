package atlassiantools

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/tool"
	"github.com/keybearer/keybearer/toolkit/internal/document"
)

// CreatePageInput is what CreatePage takes.
type CreatePageInput struct {
	Space  string `json:"space" jsonschema:"The key of the space, for example TEA."`
	Title  string `json:"title" jsonschema:"The title, which no other page of the space has."`
	Text   string `json:"text,omitempty" jsonschema:"Text with simple Markdown: headings, lists, quotes, code, links, **strong**."`
	Parent string `json:"parent,omitempty" jsonschema:"The id of the page that it belongs under."`
	Site   string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// WrittenPage is a page that was created or changed.
type WrittenPage struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Version int    `json:"version"`
	URL     string `json:"url,omitempty"`
}

func (w wiki) createPage(ctx context.Context, c *tool.Call, in CreatePageInput) (WrittenPage, error) {
	title, err := titled(in.Title, in.Text)
	if err != nil {
		return WrittenPage{}, err
	}
	sent := map[string]any{"status": "current", "title": title, "body": bodyOf(string(document.Write(in.Text)))}
	if in.Parent != "" {
		if _, err := pagePath(in.Parent); err != nil {
			return WrittenPage{}, err
		}
		sent["parentId"] = strings.TrimSpace(in.Parent)
	}
	d, err := w.desk(ctx, c, in.Site, []string{readSpaces, writePages})
	if err != nil {
		return WrittenPage{}, err
	}
	if sent["spaceId"], err = d.spaceID(ctx, in.Space); err != nil {
		return WrittenPage{}, err
	}
	var made wikiPage
	err = d.do(ctx, request{method: http.MethodPost, path: "/wiki/api/v2/pages", body: sent, into: &made, change: true})
	return d.written(made), err
}

// UpdatePageInput is what UpdatePage takes.
type UpdatePageInput struct {
	Page    string `json:"page" jsonschema:"The id of the page, which is a number."`
	Version int    `json:"version" jsonschema:"The version that GetPage gave, which the new text is made of."`
	Title   string `json:"title,omitempty" jsonschema:"A new title. Without it the page keeps the one that it has."`
	Text    string `json:"text,omitempty" jsonschema:"The whole new text with simple Markdown. Without it the page keeps the one that it has."`
	Discard bool   `json:"discard_rich_content,omitempty" jsonschema:"Replace the text even though that removes tables, macros and attachments (GetPage's not_in_text). Only if the user agrees."`
	Note    string `json:"note,omitempty" jsonschema:"What changed, for the page's history."`
	Site    string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

func (w wiki) updatePage(ctx context.Context, c *tool.Call, in UpdatePageInput) (WrittenPage, error) {
	path, err := pagePath(in.Page)
	switch {
	case err != nil:
		return WrittenPage{}, err
	case in.Version < 1:
		return WrittenPage{}, badInput("version has to be the one that GetPage gave")
	case strings.TrimSpace(in.Title) == "" && strings.TrimSpace(in.Text) == "":
		return WrittenPage{}, badInput("a title or a text has to be given, or there is nothing to change")
	}
	if _, err := titled(cmp.Or(strings.TrimSpace(in.Title), "unchanged"), in.Text); err != nil {
		return WrittenPage{}, err
	}
	d, err := w.desk(ctx, c, in.Site, []string{readPages, writePages})
	if err != nil {
		return WrittenPage{}, err
	}
	now, err := d.page(ctx, path)
	if err != nil {
		return WrittenPage{}, err
	}
	if now.Version.Number != in.Version {
		return WrittenPage{}, conflict(fmt.Sprintf("The page has version %d by now, and not %d", now.Version.Number, in.Version))
	}
	text := now.Body.Document.Value
	if strings.TrimSpace(in.Text) != "" {
		if lost := now.reading().Lost; len(lost) > 0 && !in.Discard {
			return WrittenPage{}, wouldLose(lost)
		}
		text = string(document.Write(in.Text))
	}
	sent := map[string]any{
		"id": now.ID, "status": cmp.Or(now.Status, "current"), "title": cmp.Or(strings.TrimSpace(in.Title), now.Title), "body": bodyOf(text),
		"version": map[string]any{"number": in.Version + 1, "message": line(in.Note)},
	}
	var made wikiPage
	err = d.do(ctx, request{method: http.MethodPut, path: path, body: sent, into: &made, change: true})
	if failed, ok := errors.AsType[*tool.Error](err); ok && failed.StatusCode == http.StatusConflict { // between our reading and writing
		return WrittenPage{}, conflict(strings.TrimSuffix(failed.Message, "."))
	}
	return d.written(made), err
}

// conflict says that somebody else was faster.
func conflict(what string) error {
	return &tool.Error{
		Kind: api.ToolRetry, CanRetry: true, StatusCode: http.StatusConflict, Message: what + ": somebody changed it since it was read. Nothing was written.",
		Prompt: "Read the page again with GetPage, put your change into the text that it has now, and call UpdatePage with that version.",
	}
}

// wouldLose refuses to overwrite what a text cannot hold.
func wouldLose(lost []string) error {
	kinds := strings.Join(lost, ", ")
	return &tool.Error{
		Kind: api.ToolRetry, CanRetry: true,
		Message: "The page has content that a text cannot hold (" + kinds + "), and replacing the text would remove it. Nothing was written.",
		Prompt:  "Ask the user. If they agree to lose it, call again with discard_rich_content; else the page has to be changed in Confluence itself.",
	}
}

// titled checks a title and a text.
func titled(title, text string) (string, error) {
	title = strings.TrimSpace(title)
	switch {
	case title == "" || len([]rune(title)) > maxTitle || strings.Contains(title, "\n"):
		return "", badInput("title has to be one line of at most %d letters", maxTitle)
	case len([]rune(text)) > maxPageText:
		return "", badInput("text has to be shorter than %d letters", maxPageText)
	}
	return title, nil
}

func bodyOf(document string) map[string]string {
	return map[string]string{"representation": "atlas_doc_format", "value": document}
}

// written tells of a page that was written. The answer need not have links: then the address is one that leads there.
func (d *desk) written(p wikiPage) WrittenPage {
	if p.ID == "" {
		return WrittenPage{}
	}
	out := WrittenPage{ID: line(p.ID), Title: line(p.Title), Version: p.Version.Number, URL: d.address(p.Links)}
	if out.URL == "" && d.site.URL != "" {
		out.URL = d.site.URL + "/wiki/pages/viewpage.action?pageId=" + url.QueryEscape(p.ID)
	}
	return out
}
