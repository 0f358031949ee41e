package catalog_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
)

func TestEveryDefinitionIsReadAndSound(t *testing.T) {
	kinds := catalog.Kinds()
	if !slices.Contains(kinds, "atlassian") || !slices.IsSorted(kinds) {
		t.Fatalf("got the kinds %v, want a sorted list with atlassian", kinds)
	}
	name := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	for _, kind := range kinds {
		d, ok := catalog.Definition(kind)
		if !ok || d.DisplayName == "" || !name.MatchString(kind) {
			t.Errorf("%s: found %v, display name %q: want a name like my-provider and a display name", kind, ok, d.DisplayName)
		}
		for _, rule := range d.Errors {
			if rule.Advice == "" || strings.HasSuffix(rule.Advice, ".") || strings.Contains(rule.Advice, "\n") {
				t.Errorf("%s: the advice %q must be there, on one line, without a full stop", kind, rule.Advice)
			}
		}
		for _, settings := range installations(&d) {
			installed := d.Install(settings)
			for _, p := range installed.Problems(oauth.Options{}) {
				if p.Warning && slices.Contains(odd()[kind], strings.Join(p.Path, ".")) {
					continue
				}
				t.Errorf("%s %s: %v: %s (warning: %v)", kind, settings.Product, p.Path, p.Message, p.Warning)
			}
		}
	}
}

// installations are the settings that a kind cannot be without, for each of its products.
func installations(d *oauth.Definition) []oauth.Definition {
	var settings oauth.Definition
	if strings.HasPrefix(d.TokenRequest.Endpoint, "{{server_url}}/") {
		settings.ServerURL = "https://tools.example.com/tea/"
	}
	if len(d.Products) == 0 {
		return []oauth.Definition{settings}
	}
	var all []oauth.Definition
	for product := range d.Products {
		settings.Product = product
		all = append(all, settings)
	}
	return all
}

func TestUnknownKindIsNotFound(t *testing.T) {
	for _, kind := range []string{"", "hooli", "atlassian.yaml", "../catalog/atlassian", "Atlassian"} {
		if d, ok := catalog.Definition(kind); ok {
			t.Errorf("%q gave %q, want nothing", kind, d.DisplayName)
		}
	}
}
