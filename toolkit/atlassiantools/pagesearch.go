package atlassiantools

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/tool"
)

// SearchPagesInput is what SearchPages takes.
type SearchPagesInput struct {
	Text      string `json:"text,omitempty" jsonschema:"Words to look for. Give this or cql."`
	CQL       string `json:"cql,omitempty" jsonschema:"A query in CQL in place of text, for example: type = page AND title ~ \"tea\" AND lastmodified > now(\"-7d\")"`
	Space     string `json:"space,omitempty" jsonschema:"With text: only pages of the space with this key."`
	Limit     int    `json:"limit,omitempty" jsonschema:"How many pages at most. The default is 20; no more than 100."`
	PageToken string `json:"page_token,omitempty" jsonschema:"The next_page_token of the answer before, to go on with the same query."`
	Site      string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// SearchPagesOutput is a page of pages.
type SearchPagesOutput struct {
	Pages         []FoundPage `json:"pages"`
	NextPageToken string      `json:"next_page_token,omitempty" jsonschema:"There are more pages if this is given."`
}

// FoundPage is a page as a search shows it.
type FoundPage struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Type    string `json:"type,omitempty"`
	Space   string `json:"space,omitempty"`
	Excerpt string `json:"excerpt,omitempty"`
	Updated string `json:"updated,omitempty"`
	URL     string `json:"url,omitempty"`
}

func (w wiki) searchPages(ctx context.Context, c *tool.Call, in SearchPagesInput) (SearchPagesOutput, error) {
	limit, err := pageOf(in.Limit, in.PageToken)
	if err != nil {
		return SearchPagesOutput{}, err
	}
	cql, err := in.query()
	if err != nil {
		return SearchPagesOutput{}, err
	}
	query := url.Values{"cql": {cql}, "limit": {strconv.Itoa(limit)}}
	if err := goOn(query, in.PageToken); err != nil {
		return SearchPagesOutput{}, err
	}
	d, err := w.desk(ctx, c, in.Site, []string{readContent})
	if err != nil {
		return SearchPagesOutput{}, err
	}
	var page struct {
		Results []struct {
			Content struct {
				ID    string `json:"id"`
				Type  string `json:"type"`
				Title string `json:"title"`
			} `json:"content"`
			Excerpt      string `json:"excerpt"`
			URL          string `json:"url"`
			LastModified string `json:"lastModified"`
			Container    struct {
				Title string `json:"title"`
			} `json:"resultGlobalContainer"`
		} `json:"results"`
		Links wikiLinks `json:"_links"`
	}
	if err := d.do(ctx, request{method: http.MethodGet, path: "/wiki/rest/api/search", query: query, into: &page}); err != nil {
		return SearchPagesOutput{}, err
	}
	out := SearchPagesOutput{Pages: []FoundPage{}, NextPageToken: tokenOf(page.Links.Next)}
	for _, r := range page.Results {
		if r.Content.ID == "" {
			continue // a space or a person, which a query of one's own may find
		}
		out.Pages = append(out.Pages, FoundPage{
			ID: line(r.Content.ID), Title: line(r.Content.Title), Type: line(r.Content.Type), Space: line(r.Container.Title),
			Excerpt: excerpt(r.Excerpt), Updated: when(r.LastModified), URL: d.address(wikiLinks{WebUI: r.URL}),
		})
	}
	return out, nil
}

// query is the search in CQL.
func (in SearchPagesInput) query() (string, error) {
	text, cql := strings.TrimSpace(in.Text), strings.TrimSpace(in.CQL)
	switch {
	case (text == "") == (cql == ""):
		return "", badInput("either text or cql has to be given, and not both")
	case len(text)+len(cql) > maxQuery:
		return "", badInput("the query has to be shorter than %d bytes", maxQuery)
	case cql != "" && in.Space != "":
		return "", badInput("space goes with text alone; with cql write: space = %s", quoted(in.Space))
	case cql != "":
		return cql, nil
	}
	cql = "type = page AND text ~ " + quoted(text)
	if in.Space != "" {
		cql += " AND space = " + quoted(in.Space)
	}
	return cql, nil
}

// quoted is a text as a literal of CQL.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line(text)) + `"`
}

// tokenOf and goOn carry the place in a list from one call to the next: the parameters cursor and start of the next
// page's address, and nothing else of it.
func tokenOf(next string) string {
	place := url.Values{}
	for name, values := range nextQuery(next) {
		if name == "cursor" || name == "start" {
			place[name] = values[:1]
		}
	}
	return place.Encode()
}

func goOn(query url.Values, token string) error {
	place, err := url.ParseQuery(token)
	if err != nil {
		return badInput("page_token has to be the next_page_token of the answer before")
	}
	for name := range place {
		if name != "cursor" && name != "start" {
			return badInput("page_token has to be the next_page_token of the answer before")
		}
		query.Set(name, place.Get(name))
	}
	return nil
}

// excerpt is what was found, without Confluence's marks.
func excerpt(text string) string {
	text = strings.NewReplacer("@@@hl@@@", "", "@@@endhl@@@", "").Replace(text)
	return cut(strings.Join(strings.Fields(html.UnescapeString(text)), " "), maxExcerpt)
}
