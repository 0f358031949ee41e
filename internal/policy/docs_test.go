package policy_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/internal/policy"
)

const page = "../../docs/policy.md"

// The samples of the page are good policies, and what it says of requests is so.
func TestSamplesOfThePage(t *testing.T) {
	samples := regexp.MustCompile("(?s)```(yaml|text)\n(.*?)```").FindAllStringSubmatch(read(t, page), -1)
	if len(samples) < 4 {
		t.Fatalf("found %d samples", len(samples))
	}
	before := ""
	for _, sample := range samples {
		if sample[1] == "yaml" {
			before = sample[2]
			parse(t, before)
			continue
		}
		_, got, _ := strings.Cut(judged(t, before+"---\n"+sample[2]), "\n---\n")
		spaces := regexp.MustCompile(` +`)
		if diff := cmp.Diff(spaces.ReplaceAllString(sample[2], " "), spaces.ReplaceAllString(got, " ")); diff != "" {
			t.Errorf("requests of the page (-want +got):\n%s", diff)
		}
	}
}

func TestPageNamesEveryKey(t *testing.T) {
	text := read(t, page)
	for _, typ := range []reflect.Type{reflect.TypeFor[policy.File](), reflect.TypeFor[policy.Rule]()} {
		for f := range typ.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !strings.Contains(text, "| `"+key+"` |") {
				t.Errorf("the tables of %s do not have %s", page, key)
			}
		}
	}
}

// The page lists all the posts that only read.
func TestPageListsWhatReads(t *testing.T) {
	text := read(t, page)
	for _, entry := range policy.KnownReads() {
		if !strings.Contains(text, "`"+entry+"`") {
			t.Errorf("%s does not have %s among what reads", page, entry)
		}
	}
}
