package atlassiantools

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/keybearer/keybearer/tool"
	"github.com/keybearer/keybearer/toolkit/internal/document"
)

// maxPart is how many letters of a page are shown at once.
const maxPart = 20_000

// GetPageInput is what GetPage takes.
type GetPageInput struct {
	Page  string `json:"page" jsonschema:"The id of the page, which is a number."`
	Start int    `json:"start,omitempty" jsonschema:"For the next part of a long page: the next_start of the answer before."`
	Site  string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// Page is a page, or a part of one.
type Page struct {
	ID        string   `json:"id"`
	Title     string   `json:"title"`
	Version   int      `json:"version" jsonschema:"What UpdatePage wants to know."`
	Updated   string   `json:"updated,omitempty"`
	SpaceID   string   `json:"space_id,omitempty"`
	Parent    string   `json:"parent,omitempty" jsonschema:"The id of the page above it."`
	URL       string   `json:"url,omitempty"`
	Text      string   `json:"text" jsonschema:"The page, or a part of it, with simple Markdown."`
	NextStart int      `json:"next_start,omitempty" jsonschema:"The page goes on if this is given: call again with start."`
	Lost      []string `json:"not_in_text,omitempty" jsonschema:"What the page has that the text only hints at, such as tables, macros and attachments. Replacing the text would remove it."`
}

// wikiPage is a page as version 2 gives it.
type wikiPage struct {
	ID       string `json:"id"`
	Title    string `json:"title"`
	SpaceID  string `json:"spaceId"`
	ParentID string `json:"parentId"`
	Status   string `json:"status"`
	Version  struct {
		Number    int    `json:"number"`
		CreatedAt string `json:"createdAt"`
	} `json:"version"`
	Body struct {
		Document struct {
			Value string `json:"value"`
		} `json:"atlas_doc_format"`
	} `json:"body"`
	Links wikiLinks `json:"_links"`
}

// reading is the page's body as text.
func (p wikiPage) reading() document.Reading {
	return document.Read(json.RawMessage(p.Body.Document.Value))
}

func (w wiki) getPage(ctx context.Context, c *tool.Call, in GetPageInput) (Page, error) {
	path, err := pagePath(in.Page)
	switch {
	case err != nil:
		return Page{}, err
	case in.Start < 0:
		return Page{}, badInput("start has to be the next_start of the answer before")
	}
	d, err := w.desk(ctx, c, in.Site, []string{readPages})
	if err != nil {
		return Page{}, err
	}
	p, err := d.page(ctx, path)
	if err != nil {
		return Page{}, err
	}
	out := Page{
		ID: line(p.ID), Title: line(p.Title), Version: p.Version.Number, Updated: when(p.Version.CreatedAt),
		SpaceID: line(p.SpaceID), Parent: line(p.ParentID), URL: d.address(p.Links), Lost: p.reading().Lost,
	}
	out.Text, out.NextStart = part(p.reading().Text, in.Start)
	return out, nil
}

func (d *desk) page(ctx context.Context, path string) (wikiPage, error) {
	var p wikiPage
	query := url.Values{"body-format": {"atlas_doc_format"}}
	err := d.do(ctx, request{method: http.MethodGet, path: path, query: query, into: &p})
	return p, err
}

// part is a text from a letter on, up to the end of a line if there is one near, and where it goes on, or 0.
func part(text string, start int) (string, int) {
	all := []rune(text)
	start = min(start, len(all))
	rest := all[start:]
	if len(rest) <= maxPart {
		return string(rest), 0
	}
	end := maxPart
	if at := strings.LastIndexByte(string(rest[:end]), '\n'); at > 0 {
		if whole := len([]rune(string(rest[:end])[:at+1])); whole > maxPart/2 {
			end = whole
		}
	}
	return string(rest[:end]), start + end
}

// pagePath is the path of a page.
func pagePath(id string) (string, error) {
	id = strings.TrimSpace(id)
	if !regexp.MustCompile(`^[0-9]{1,18}$`).MatchString(id) {
		return "", badInput("page has to be the id of a page, which is a number, and not %q; SearchPages finds ids", line(id))
	}
	return "/wiki/api/v2/pages/" + id, nil
}
