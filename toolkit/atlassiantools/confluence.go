package atlassiantools

import (
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/tool"
)

// The granular scopes of Confluence: version 2 of its API takes no others, and the search of version 1 takes them, too, so
// that an app needs no classic ones beside them.
const (
	readSpaces  = "read:space:confluence"
	readContent = "read:content-details:confluence"
	readPages   = "read:page:confluence"
	writePages  = "write:page:confluence"
)

// Confluence is the toolkit for Confluence.
func Confluence(c Config) *tool.Kit {
	w := wiki{product{atlassian.Confluence, c.withDefaults()}}
	return &tool.Kit{
		Name: "Confluence", Version: version, Description: "Search, read and write pages of Confluence Cloud.",
		Tools: []*tool.Tool{
			tool.New("ListSites", "List the Confluence sites that the user's authorization reaches. Only needed where the user has several.",
				w.listSites, tool.Title("List Confluence sites"), tool.Requires(c.needs(readSpaces)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("ListSpaces", "List the spaces of a site.",
				w.listSpaces, tool.Title("List Confluence spaces"), tool.Requires(c.needs(readSpaces)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("SearchPages", "Search pages by words or with CQL. Gives titles and excerpts; GetPage has the text.",
				w.searchPages, tool.Title("Search Confluence pages"), tool.Requires(c.needs(readContent)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("GetPage", "Read a page as text, with the version that UpdatePage needs. Long pages come in parts.",
				w.getPage, tool.Title("Read a Confluence page"), tool.Requires(c.needs(readPages)), tool.ReadOnly(), tool.Idempotent()),
			tool.New("CreatePage", "Create a page in a space.",
				w.createPage, tool.Title("Create a Confluence page"), tool.Requires(c.needs(readSpaces, writePages)), tool.Additive()),
			tool.New("UpdatePage", "Replace the text or the title of a page. Read it with GetPage first.",
				w.updatePage, tool.Title("Change a Confluence page"), tool.Requires(c.needs(readPages, writePages)), tool.Destructive()),
		},
	}
}

// wiki are the functions of Confluence's tools.
type wiki struct{ product }

// ListSpacesInput is what ListSpaces takes.
type ListSpacesInput struct {
	Limit     int    `json:"limit,omitempty" jsonschema:"How many spaces at most. The default is 20; no more than 100."`
	PageToken string `json:"page_token,omitempty" jsonschema:"The next_page_token of the answer before, to go on."`
	Site      string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// ListSpacesOutput is a page of spaces.
type ListSpacesOutput struct {
	Spaces        []Space `json:"spaces"`
	NextPageToken string  `json:"next_page_token,omitempty" jsonschema:"There are more spaces if this is given."`
}

// Space is a space of Confluence.
type Space struct {
	ID   string `json:"id"`
	Key  string `json:"key"`
	Name string `json:"name"`
	Type string `json:"type,omitempty"`
}

// spacePage is a page of spaces as version 2 gives it.
type spacePage struct {
	Results []Space   `json:"results"`
	Links   wikiLinks `json:"_links"`
}

// wikiLinks say where a thing is, and where a list goes on.
type wikiLinks struct {
	Base  string `json:"base"`
	WebUI string `json:"webui"`
	Next  string `json:"next"`
}

func (w wiki) listSpaces(ctx context.Context, c *tool.Call, in ListSpacesInput) (ListSpacesOutput, error) {
	limit, err := pageOf(in.Limit, in.PageToken)
	if err != nil {
		return ListSpacesOutput{}, err
	}
	d, err := w.desk(ctx, c, in.Site, []string{readSpaces})
	if err != nil {
		return ListSpacesOutput{}, err
	}
	query := url.Values{"limit": {strconv.Itoa(limit)}, "status": {"current"}}
	if in.PageToken != "" {
		query.Set("cursor", in.PageToken)
	}
	var page spacePage
	if err := d.do(ctx, request{method: http.MethodGet, path: "/wiki/api/v2/spaces", query: query, into: &page}); err != nil {
		return ListSpacesOutput{}, err
	}
	out := ListSpacesOutput{Spaces: []Space{}, NextPageToken: nextQuery(page.Links.Next).Get("cursor")}
	for _, s := range page.Results {
		out.Spaces = append(out.Spaces, Space{ID: line(s.ID), Key: line(s.Key), Name: line(s.Name), Type: line(s.Type)})
	}
	return out, nil
}

// nextQuery are the parameters of the address of the next page. The address itself is one of the site, not of the gateway,
// and is not followed.
func nextQuery(next string) url.Values {
	u, err := url.Parse(next)
	if err != nil {
		return nil
	}
	return u.Query()
}

// spaceID finds the id of a space by its key.
func (d *desk) spaceID(ctx context.Context, space string) (string, error) {
	space = strings.TrimSpace(space)
	if regexp.MustCompile(`^[0-9]{1,18}$`).MatchString(space) {
		return space, nil
	}
	if !regexp.MustCompile(`^~?[A-Za-z0-9_.:-]{1,255}$`).MatchString(space) {
		return "", badInput("space has to be the key of a space, such as TEA, and not %q", line(space))
	}
	var page spacePage
	query := url.Values{"keys": {space + "," + strings.ToUpper(space)}} // keys are upper case, but for those of people
	if err := d.do(ctx, request{method: http.MethodGet, path: "/wiki/api/v2/spaces", query: query, into: &page}); err != nil {
		return "", err
	}
	for _, s := range page.Results {
		if strings.EqualFold(s.Key, space) {
			return s.ID, nil
		}
	}
	return "", badInput("there is no space %q that the user may see; ListSpaces lists them", space)
}

// address is where people find what links speak of.
func (d *desk) address(links wikiLinks) string {
	if !strings.HasPrefix(links.WebUI, "/") || d.site.URL == "" {
		return ""
	}
	return d.site.URL + "/wiki" + links.WebUI
}
