package atlassiantest_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

func startControl(t *testing.T, h http.Handler) string {
	t.Helper()
	control := httptest.NewServer(h)
	t.Cleanup(control.Close)
	return control.URL
}

// switchTables are the switches of both servers, by the heading of their
// section in the manual.
func switchTables() map[string][]atlassiantest.Switch {
	return map[string][]atlassiantest.Switch{
		"### Switches of Cloud":           atlassiantest.New(atlassiantest.Config{}).Switches(),
		"### Switches of Data Center":     atlassiantest.NewDataCenter(atlassiantest.DataCenterConfig{}).Switches(),
		"### Switches of Bitbucket Cloud": atlassiantest.NewBitbucketCloud(atlassiantest.BitbucketConfig{}).Switches(),
	}
}

func TestEachSwitchIsInTheManualAndNoOther(t *testing.T) {
	all, err := os.ReadFile("../../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	for heading, switches := range switchTables() {
		_, section, found := strings.Cut(string(all), heading+"\n")
		if !found {
			t.Fatalf("docs/sandbox.md has no section %q", heading)
		}
		section, _, _ = strings.Cut(section, "\n#")
		known := map[string]bool{}
		for _, s := range switches {
			known[s.Name] = true
			usual := s.Default
			if usual == "" {
				usual = "empty"
			}
			row := "| `" + s.Name + "` | " + s.Values + " | " + usual + " | " + s.Reason + " |"
			if !strings.Contains(section, row+"\n") {
				t.Errorf("docs/sandbox.md lacks this line under %q:\n%s", heading, row)
			}
			if !strings.HasSuffix(s.Reason, ".") {
				t.Errorf("the reason of %s is no sentence", s.Name)
			}
		}
		for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(section, -1) {
			if !known[row[1]] {
				t.Errorf("docs/sandbox.md describes %s under %q, which there is not", row[1], heading)
			}
		}
	}
}

func TestSwitchesStandAtTheirDefaultsAndRefuseNonsense(t *testing.T) {
	cloud, dataCenter := atlassiantest.New(atlassiantest.Config{}), atlassiantest.NewDataCenter(atlassiantest.DataCenterConfig{})
	bitbucket := atlassiantest.NewBitbucketCloud(atlassiantest.BitbucketConfig{})
	for set, switches := range map[*func(string, string) error][]atlassiantest.Switch{
		ref(cloud.Set): cloud.Switches(), ref(dataCenter.Set): dataCenter.Switches(), ref(bitbucket.Set): bitbucket.Switches(),
	} {
		for _, s := range switches {
			if s.Value != s.Default {
				t.Errorf("%s: got %q untouched, want %q", s.Name, s.Value, s.Default)
			}
			if err := (*set)(s.Name, s.Default); err != nil {
				t.Errorf("%s cannot be set to its default: %v", s.Name, err)
			}
			if err := (*set)(s.Name, "not a value of it?"); err == nil {
				t.Errorf("%s takes nonsense", s.Name)
			}
			for value := range strings.SplitSeq(s.Values, ", ") {
				if strings.Contains(value, " ") || value == "empty" {
					continue // described, not listed
				}
				if err := (*set)(s.Name, value); err != nil {
					t.Errorf("%s cannot be %s: %v", s.Name, value, err)
				}
			}
		}
		if err := (*set)("mood", "on"); err == nil {
			t.Error("a switch that there is not was set")
		}
	}
}

func ref[T any](v T) *T { return &v }
