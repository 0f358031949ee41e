package atlassian_test

import (
	"fmt"
	"strings"

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
