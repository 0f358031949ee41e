package catalog_test

import (
	"regexp"
	"slices"
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
		for _, p := range d.Problems(oauth.Options{}) {
			t.Errorf("%s: %v: %s (warning: %v)", kind, p.Path, p.Message, p.Warning)
		}
	}
}

func TestUnknownKindIsNotFound(t *testing.T) {
	for _, kind := range []string{"", "hooli", "atlassian.yaml", "../catalog/atlassian", "Atlassian"} {
		if d, ok := catalog.Definition(kind); ok {
			t.Errorf("%q gave %q, want nothing", kind, d.DisplayName)
		}
	}
}
