package atlassiantest

import (
	"encoding/json"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wikiPage is one page of a Confluence space.
type wikiPage struct {
	ID, Title string
	Body      string          // in storage format
	Document  json.RawMessage // as it was written, if it was written as one
	Version   int
	Space     string // its id
	Parent    string // the id of another page, or ""
	Changed   time.Time
}

func wikiPages() []wikiPage {
	page := func(id, title, body string) wikiPage {
		return wikiPage{ID: id, Title: title, Body: body, Version: 1, Space: wikiSpaceID, Changed: opening()}
	}
	return []wikiPage{page("98310", "Welcome", "<p>Come in.</p>"), page("98311", "How to pour", "<p>Slowly.</p>"), page("98312", "Cleaning", "<p>Daily.</p>")}
}

const (
	wikiSpaceID  = "65537"
	wikiSpaceKey = "TEA"
)

// wikiSpace is a space of a Confluence.
type wikiSpace struct{ ID, Key, Name string }

// wikiSpaces are those of every site.
func wikiSpaces() []wikiSpace {
	return []wikiSpace{{wikiSpaceID, wikiSpaceKey, "Tea house"}, {"65538", "STAFF", "Staff"}}
}

// space is the one that the page is in.
func (p wikiPage) space() wikiSpace {
	all := wikiSpaces()
	return all[max(slices.IndexFunc(all, func(s wikiSpace) bool { return s.ID == p.Space }), 0)]
}

// write takes a body in storage format or, written as an atlas_doc_format, as a
// document, which is given back as it came. ok is false for what is no document.
func (p *wikiPage) write(representation, value string) (ok bool) {
	if representation != "atlas_doc_format" {
		p.Body, p.Document = value, nil
		return true
	}
	text, ok := readText(value, true)
	if !ok {
		return false
	}
	p.Body, p.Document = "<p>"+strings.ReplaceAll(html.EscapeString(text.Plain), "\n", "</p><p>")+"</p>", text.Document
	return true
}

// text is the body without its elements, a line for each paragraph.
func (p wikiPage) text() string {
	text := regexp.MustCompile(`</(?:p|h[1-6]|li|td)>|<br ?/?>`).ReplaceAllString(p.Body, "\n")
	return strings.TrimSpace(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, "")))
}

// body is the page's in a format that was asked for: none where that is not known.
func (p wikiPage) body(format string) map[string]any {
	value := p.Body
	switch format {
	case "storage":
	case "atlas_doc_format":
		document := richText{p.text(), p.Document}.written(true)
		if document == nil {
			document = map[string]any{"type": "doc", "version": 1, "content": []any{}}
		}
		written, _ := json.Marshal(document) // texts, or what was read as a document
		value = string(written)
	default:
		return map[string]any{}
	}
	return map[string]any{format: map[string]string{"representation": format, "value": value}}
}

// wiki is what one Confluence holds: spaces and their pages.
type wiki struct {
	pages []wikiPage
	born  int
}

// maxPages bounds what clients can create; the oldest go first.
const maxPages = 1000

func newWiki() *wiki { return &wiki{pages: wikiPages(), born: 98312} }

// find looks a page up by id.
func (w *wiki) find(id string) *wikiPage {
	i := slices.IndexFunc(w.pages, func(p wikiPage) bool { return p.ID == id })
	if i < 0 {
		return nil
	}
	return &w.pages[i]
}

// taken reports a title that another page of the space has.
func (w *wiki) taken(p wikiPage) bool {
	return slices.ContainsFunc(w.pages, func(other wikiPage) bool {
		return other.ID != p.ID && other.Space == p.Space && strings.EqualFold(other.Title, p.Title)
	})
}

// add gives a page an id.
func (w *wiki) add(made wikiPage) wikiPage {
	w.born++
	made.ID, made.Version = strconv.Itoa(w.born), 1
	if len(w.pages) == maxPages {
		w.pages = slices.Delete(w.pages, 0, 1)
	}
	w.pages = append(w.pages, made)
	return made
}
