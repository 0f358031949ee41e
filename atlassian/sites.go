package atlassian

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
)

// The bounds of a list of sites. People with access to hundreds of sites exist.
const (
	maxSitesAnswer = 4 << 20 // bytes
	maxSiteText    = 200     // letters of a name that are kept
	maxAddress     = 2048    // bytes of a URL
)

// Site is a site of Atlassian Cloud that a token reaches.
type Site struct {
	// ID is the cloud id, as it stands in URLs of the gateway.
	ID string
	// Name is fit to be shown.
	Name string
	// URL is where people find it, such as https://teahouse.atlassian.net: scheme and host in lower case,
	// no path. Empty if Atlassian named none that can be used.
	URL string
	// AvatarURL is an https URL or empty.
	AvatarURL string
	// Scopes are those that the token has on this site, sorted. They say nothing about what its user
	// may do there.
	Scopes []string
	// Products are those that the scopes speak of, sorted. One is missing here if no scope names it,
	// though the site may have it.
	Products []Product
}

// String names the site to people who have to choose.
func (s Site) String() string {
	parts := []string{cmp.Or(s.Name, s.ID), cmp.Or(s.URL, "cloud id "+s.ID)}
	var products []string
	for _, p := range s.Products {
		products = append(products, p.String())
	}
	if len(products) > 0 {
		parts = append(parts, strings.Join(products, ", "))
	}
	return strings.Join(parts, " – ")
}

// ReadSites reads an answer of https://api.atlassian.com/oauth/token/accessible-resources, at most 4 MiB.
//
// Atlassian lists a site once per product, each time with that product's scopes only, and in no fixed
// order. Here a site is listed once, with all its scopes, and the order is always the same: by name, then
// by cloud id. Entries without a usable cloud id and fields of another type than expected are left out.
// An empty list is no error: the token is valid, but its user chose no site, or the app may not be used
// there. An answer that is no list is an error, since it says nothing about sites.
// https://developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps/
func ReadSites(answer io.Reader) ([]Site, error) {
	body, err := io.ReadAll(io.LimitReader(answer, maxSitesAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading the list of sites: %w", err)
	}
	if len(body) > maxSitesAnswer {
		return nil, fmt.Errorf("the list of sites is longer than %d MiB", maxSitesAnswer>>20)
	}
	var entries []any
	if err := json.Unmarshal(body, &entries); err != nil || entries == nil {
		return nil, errors.New("the answer is no list of sites: look at its status and at the address that was asked")
	}
	byID := map[string]Site{}
	for _, entry := range entries {
		if s, ok := readSite(entry); ok {
			byID[s.ID] = merge(byID[s.ID], s)
		}
	}
	sites := make([]Site, 0, len(byID))
	for _, s := range byID {
		sites = append(sites, withProducts(s))
	}
	slices.SortFunc(sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), cmp.Compare(a.ID, b.ID))
	})
	return sites, nil
}

func readSite(entry any) (Site, bool) {
	fields, _ := entry.(map[string]any)
	text := func(name string) string {
		t, _ := fields[name].(string)
		return t
	}
	id := text("id")
	if !usableID(id) {
		return Site{}, false
	}
	return Site{
		ID: id, Name: printable(text("name"), maxSiteText), URL: siteURL(text("url")),
		AvatarURL: avatarURL(text("avatarUrl")), Scopes: scopesIn(fields["scopes"]),
	}, true
}

// usableID holds for what may become one segment of a path. Cloud ids are UUIDs today; nothing promises it.
func usableID(id string) bool {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	return id != "" && len(id) <= 64 && strings.Trim(id, letters) == ""
}

// siteURL keeps scheme and host. The host decides where requests with a token go, so it has to be plain.
func siteURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxAddress || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	return "https://" + plainHost(u)
}

// plainHost is the host in lower case, with a port only if it is not the usual one.
func plainHost(u *url.URL) string {
	host := strings.ToLower(u.Host)
	return strings.TrimSuffix(strings.TrimSuffix(host, ":"), ":443")
}

func avatarURL(raw string) string {
	if u, err := url.Parse(raw); err != nil || len(raw) > maxAddress || u.Scheme != "https" || u.Host == "" {
		return ""
	}
	return raw
}

// scopesIn takes a list, and the text that token answers have.
func scopesIn(value any) []string {
	var scopes []string
	switch v := value.(type) {
	case string:
		scopes = strings.Fields(v)
	case []any:
		for _, element := range v {
			if text, ok := element.(string); ok {
				scopes = append(scopes, strings.Fields(text)...)
			}
		}
	}
	return slices.DeleteFunc(scopes, func(s string) bool { return printable(s, maxSiteText) != s })
}

// merge unites two entries of one site. Where they differ, the choice does not depend on their order.
func merge(a, b Site) Site {
	if a.ID == "" {
		a = b
	}
	scopes := slices.Concat(a.Scopes, b.Scopes)
	slices.Sort(scopes)
	return Site{
		ID: a.ID, Name: either(a.Name, b.Name), URL: either(a.URL, b.URL),
		AvatarURL: either(a.AvatarURL, b.AvatarURL), Scopes: slices.Compact(scopes),
	}
}

// either is the one that is not empty, and of two the first by the alphabet.
func either(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return min(a, b)
}

func withProducts(s Site) Site {
	for _, scope := range s.Scopes {
		if p := ScopeProduct(scope); p != "" && !slices.Contains(s.Products, p) {
			s.Products = append(s.Products, p)
		}
	}
	slices.Sort(s.Products)
	return s
}
