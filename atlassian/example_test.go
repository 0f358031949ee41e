package atlassian_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keybearer/keybearer/atlassian"
)

// accessibleResources is an answer as Atlassian gives it: the teahouse is listed once per product.
const accessibleResources = `[
	{"id": "5a0d7ea0", "name": "teahouse", "url": "https://teahouse.atlassian.net", "scopes": ["read:jira-work"]},
	{"id": "5a0d9a8d", "name": "garden", "url": "https://garden.atlassian.net", "scopes": ["read:jira-work"]},
	{"id": "5a0d7ea0", "name": "teahouse", "url": "https://teahouse.atlassian.net", "scopes": ["read:page:confluence"]}
]`

func ExampleReadSites() {
	sites, err := atlassian.ReadSites(strings.NewReader(accessibleResources))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range sites {
		fmt.Println(s, s.Scopes)
	}
	// Output:
	// garden – https://garden.atlassian.net – Jira [read:jira-work]
	// teahouse – https://teahouse.atlassian.net – Confluence, Jira [read:jira-work read:page:confluence]
}

func ExampleSelect() {
	sites, err := atlassian.ReadSites(strings.NewReader(accessibleResources))
	if err != nil {
		fmt.Println(err)
		return
	}
	site, err := atlassian.Select(sites, "https://Teahouse.atlassian.net/wiki/spaces")
	fmt.Println(site.ID, err)
	_, err = atlassian.Select(sites, "")
	fmt.Println(err)
	// Output:
	// 5a0d7ea0 <nil>
	// the token reaches 2 Atlassian sites; choose one by its URL or cloud id:
	//   garden – https://garden.atlassian.net – Jira (5a0d9a8d)
	//   teahouse – https://teahouse.atlassian.net – Confluence, Jira (5a0d7ea0)
}

func ExampleCompare() {
	before := []atlassian.Site{{ID: "5a0d7ea0", Name: "teahouse"}}
	now := []atlassian.Site{{ID: "5a0d7ea0", Name: "teahouse"}, {ID: "5a0d9a8d", Name: "garden"}}
	vanished, appeared := atlassian.Compare(before, now)
	fmt.Println(len(vanished), "vanished, appeared:", appeared[0].Name)
	// Output: 0 vanished, appeared: garden
}

func ExampleResolver_ToGateway() {
	sites, err := atlassian.ReadSites(strings.NewReader(accessibleResources))
	if err != nil {
		fmt.Println(err)
		return
	}
	r := atlassian.Resolver{Sites: sites}
	for _, raw := range []string{
		"https://teahouse.atlassian.net/rest/api/3/search/jql?jql=project%3DTEA",
		"https://teahouse.atlassian.net/wiki/api/v2/pages",
		"https://teahouse.atlassian.net/browse/TEA-1",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			fmt.Println(err)
			return
		}
		to, err := r.ToGateway(u)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(to)
	}
	// Output:
	// https://api.atlassian.com/ex/jira/5a0d7ea0/rest/api/3/search/jql?jql=project%3DTEA
	// https://api.atlassian.com/ex/confluence/5a0d7ea0/wiki/api/v2/pages
	// https://teahouse.atlassian.net/browse/TEA-1 is no address of an API: those of Jira begin with /rest/, those of Confluence with /wiki/
}

// A client that was written for a site goes on using the site's addresses.
func ExampleTransport() {
	sites, err := atlassian.ReadSites(strings.NewReader(accessibleResources))
	if err != nil {
		fmt.Println(err)
		return
	}
	gateway := roundTripper(func(r *http.Request) (*http.Response, error) {
		fmt.Println("sent to", r.URL)
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Request: r}, nil
	})
	client := &http.Client{Transport: &atlassian.Transport{Resolver: atlassian.Resolver{Sites: sites}, Base: gateway}}
	res, err := client.Get("https://garden.atlassian.net/rest/api/3/myself")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = res.Body.Close()
	_, err = client.Get("https://elsewhere.example.com/rest/api/3/myself")
	fmt.Println(err != nil)
	// Output:
	// sent to https://api.atlassian.com/ex/jira/5a0d9a8d/rest/api/3/myself
	// true
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func ExampleClassicScopes() {
	scopes := atlassian.ClassicScopes(atlassian.Write, atlassian.Jira)
	fmt.Println(scopes)
	fmt.Println(atlassian.CheckScopes([]string{"read:jira-work"}))
	// Output:
	// [offline_access read:jira-user read:jira-work write:jira-work]
	// [without offline_access there is no refresh token, and the connection lasts one hour: add it]
}

func ExampleFindOperation() {
	granted := []string{"read:jira-work", "read:project:jira"}
	for _, path := range []string{"/rest/api/2/issue/TEA-1", "/rest/agile/1.0/board"} {
		o, known := atlassian.FindOperation("GET", path)
		fmt.Printf("%s %v %v %q\n", o.Path, known, o.Permits(granted), o.Needs(granted))
	}
	// Output:
	// /rest/api/3/issue/{issue} true true ""
	// /rest/agile/1.0/board true false "all of read:board-scope:jira-software read:project:jira (missing read:board-scope:jira-software)"
}

func ExampleReadRateLimit() {
	now := time.Date(2026, 3, 2, 10, 40, 0, 0, time.UTC)
	limit := atlassian.ReadRateLimit(http.StatusTooManyRequests, http.Header{
		"Retry-After":      {"1200"},
		"Ratelimit-Reason": {"jira-quota-tenant-based"},
	}, now)
	fmt.Println(limit.Reach, limit.Until.Sub(now))
	fmt.Println(limit.Advice())
	// Output:
	// site 20m0s
	// The site's points of this hour are used (jira-quota-tenant-based): send nothing to this site until 11:00:00 UTC; other sites are not touched
}
