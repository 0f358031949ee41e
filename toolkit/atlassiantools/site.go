package atlassiantools

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/tool"
)

// reach is what the token of a call reaches.
type reach struct {
	sites  []atlassian.Site
	inUse  string // the cloud id that the user chose at the engine, or ""
	listed bool   // by Atlassian itself, at this moment
}

// reached gives the sites that the engine told of, and asks Atlassian where it told of none.
func (p product) reached(ctx context.Context, c *tool.Call) (reach, error) {
	told := c.Sites()
	if told == nil || len(told.Sites) == 0 {
		return p.ask(ctx, c)
	}
	r := reach{inUse: told.Site}
	for _, s := range told.Sites {
		r.sites = append(r.sites, siteOf(s))
	}
	return r, nil
}

func siteOf(s api.Site) atlassian.Site {
	site := atlassian.Site{ID: s.ID, Name: s.Name, URL: s.URL, Scopes: s.Scopes}
	for _, name := range s.Products {
		site.Products = append(site.Products, atlassian.Product(name))
	}
	return site
}

// ask asks Atlassian which sites there are.
func (p product) ask(ctx context.Context, c *tool.Call) (reach, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.config.Sites+"/oauth/token/accessible-resources", nil)
	if err != nil {
		return reach{}, fmt.Errorf("asking for the sites: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.HTTP().Do(req)
	if err != nil {
		return reach{}, lost(ctx, err, "asking Atlassian for the sites", false)
	}
	defer func() { _ = res.Body.Close() }()
	if failed := p.refused(res, nil, false); failed != nil {
		return reach{}, failed
	}
	sites, err := atlassian.ReadSites(res.Body)
	if err != nil {
		return reach{}, &tool.Error{Kind: api.ToolUpstreamServerError, Message: "Atlassian's list of sites cannot be read: " + err.Error(), CanRetry: true}
	}
	return reach{sites: sites, listed: true}, nil
}

// site finds the site that a call is meant for. A name that the engine did not tell of is looked for at Atlassian once:
// the user may have added the site since.
func (p product) site(ctx context.Context, c *tool.Call, wanted string) (atlassian.Site, error) {
	r, err := p.reached(ctx, c)
	if err != nil {
		return atlassian.Site{}, err
	}
	site, err := p.choose(r, wanted)
	if err != nil && wanted != "" && !r.listed {
		if r, err = p.ask(ctx, c); err != nil {
			return atlassian.Site{}, err
		}
		site, err = p.choose(r, wanted)
	}
	if choice, ok := errors.AsType[*atlassian.ChoiceError](err); ok {
		return atlassian.Site{}, p.askBack(choice)
	}
	return site, err
}

// choose takes the site that was named; else the one that the user chose, or the only one that has the product.
func (p product) choose(r reach, wanted string) (atlassian.Site, error) {
	if wanted = strings.TrimSpace(wanted); wanted != "" {
		site, err := atlassian.Select(r.sites, wanted)
		if err == nil {
			return site, nil
		}
		named := slices.DeleteFunc(slices.Clone(r.sites), func(s atlassian.Site) bool { return !strings.EqualFold(s.Name, wanted) })
		if len(named) == 1 {
			return named[0], nil
		}
		return atlassian.Site{}, err
	}
	with := slices.DeleteFunc(slices.Clone(r.sites), func(s atlassian.Site) bool { return !p.has(s) })
	for _, s := range with {
		if s.ID == r.inUse {
			return s, nil
		}
	}
	return atlassian.Select(with, "")
}

// has reports whether the token's scopes at a site speak of the product. Where nothing is known of scopes it may.
func (p product) has(s atlassian.Site) bool {
	return len(s.Products) == 0 || slices.Contains(s.Products, p.name)
}

// askBack makes a question of a choice, which the model answers or hands on to the user.
func (p product) askBack(choice *atlassian.ChoiceError) error {
	if len(choice.Sites) == 0 {
		return &tool.Error{
			Kind:    api.ToolRequirementsNotMet,
			Message: fmt.Sprintf("The user's authorization reaches no site with %s: the user has to authorize again and choose a site, and the site's admin has to allow the app.", p.name),
		}
	}
	var names []string
	for _, s := range choice.Sites[:min(len(choice.Sites), maxSites)] {
		names = append(names, fmt.Sprintf("%s (%s)", line(s.Name), s.URL))
	}
	return &tool.Error{
		Kind: api.ToolRetry, CanRetry: true, Message: choice.Error(),
		Prompt: "Call the tool again with the parameter site. Ask the user which one is meant, unless it is clear: " + strings.Join(names, ", "),
	}
}

// maxSites bounds how many sites a model is shown; people with hundreds exist.
const maxSites = 50

// SitesInput is what ListSites takes: nothing.
type SitesInput struct{}

// SitesOutput are the sites that the user's authorization reaches.
type SitesOutput struct {
	Sites []Site `json:"sites" jsonschema:"The sites that the user let the app into."`
	More  int    `json:"more,omitempty" jsonschema:"How many more there are."`
}

// Site is one of them.
type Site struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	ID    string `json:"id" jsonschema:"The cloud id."`
	InUse bool   `json:"in_use,omitempty" jsonschema:"The site that is meant where a call names none."`
}

func (p product) listSites(ctx context.Context, c *tool.Call, _ SitesInput) (SitesOutput, error) {
	r, err := p.reached(ctx, c)
	if err != nil {
		return SitesOutput{}, err
	}
	usual, _ := p.choose(r, "") // none, if somebody has to choose
	out := SitesOutput{Sites: []Site{}}
	for _, s := range r.sites {
		switch {
		case !p.has(s):
		case len(out.Sites) == maxSites:
			out.More++
		default:
			out.Sites = append(out.Sites, Site{Name: line(s.Name), URL: s.URL, ID: s.ID, InUse: s.ID == usual.ID})
		}
	}
	return out, nil
}
