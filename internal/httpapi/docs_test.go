package httpapi_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
)

func readReference(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReferenceListsAllRoutes(t *testing.T) {
	var want, got []string
	for path, methods := range readDocument(t).paths {
		for method, op := range methods {
			success := slices.Sorted(maps.Keys(op.Responses))[0]
			if op.ID == "chatCompletions" {
				success = "501"
			}
			want = append(want, strings.ToUpper(method)+" "+path+" "+success)
		}
	}
	row := regexp.MustCompile("(?m)^\\| `([A-Z]+)` \\| `([^`]+)` \\| (\\d+) \\|")
	for _, m := range row.FindAllStringSubmatch(readReference(t), -1) {
		got = append(got, strings.Join(m[1:], " "))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/api.md and the route table differ (-table +docs):\n%s", diff)
	}
}

func TestReferenceListsAllErrors(t *testing.T) {
	text := readReference(t)
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\| (later)? ?\\|")
	listed := map[string]bool{"method_not_allowed": true}
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		kind := keybearer.Kind(m[1])
		listed[m[1]] = true
		if m[1] == "method_not_allowed" {
			continue
		}
		if got, want := m[2], strconv.Itoa(kind.HTTPStatus()); got != want {
			t.Errorf("%s: docs/api.md says status %s, want %s", kind, got, want)
		}
		if got, want := m[3] == "later", kind.Retryable(); got != want {
			t.Errorf("%s: docs/api.md says that repeating helps: %v, want %v", kind, got, want)
		}
	}
	for path, methods := range readDocument(t).paths {
		for _, op := range methods {
			for _, answer := range op.Responses {
				for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(string(answer), -1) {
					if !listed[m[1]] {
						t.Errorf("%s may answer %s, which docs/api.md does not list", path, m[1])
					}
				}
			}
		}
	}
}

// The examples are run in their order, against a live engine. In what they print, "…" stands for
// anything.
func TestExamplesOfTheReference(t *testing.T) {
	l := newLab(t, options{})
	values := map[string]string{"ENGINE": "", "KEY": adminKey}
	part := regexp.MustCompile("(?s)<!-- the user consents -->|```sh\n(.*?)```\n```json\n(.*?)```")
	examples := 0
	for _, m := range part.FindAllStringSubmatch(readReference(t), -1) {
		if m[1] == "" {
			values["FLOW"] = l.consent(values["ID"])
			l.do("POST", "/v1/auth/confirm_user", `{"flow_id":"`+values["FLOW"]+`","user_id":"alice@example.com"}`).want(200, "")
			continue
		}
		examples++
		got := l.curl(t, m[1], values)
		if values["ID"] == "" {
			values["ID"] = got.str("id")
		}
		var want any
		if err := json.Unmarshal([]byte(m[2]), &want); err != nil {
			t.Fatalf("%v in:\n%s", err, m[2])
		}
		if problem := differs("", want, any(got.decoded)); problem != "" {
			t.Errorf("%s\ngave %s\n%s", m[1], got.text, problem)
		}
	}
	if examples < 7 {
		t.Errorf("found %d examples, want all: has their form changed?", examples)
	}
}

// curl runs a command line as a shell and curl would, as far as the examples need it.
func (l *lab) curl(t *testing.T, line string, values map[string]string) reply {
	t.Helper()
	words := shellWords(line, values)
	method, target, body := "GET", "", ""
	headers := []string{"Authorization", ""}
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-s":
		case "-H":
			i++
			name, value, _ := strings.Cut(words[i], ": ")
			headers = append(headers, name, value)
		case "-d":
			i++
			method, body = "POST", words[i]
		case "-X":
			i++
			method = words[i]
		default:
			target = words[i]
		}
	}
	return l.do(method, target, body, headers...)
}

func shellWords(line string, values map[string]string) []string {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0)
	line = regexp.MustCompile(`'[^']*'|\$[A-Z]+`).ReplaceAllStringFunc(line, func(s string) string {
		if value, ok := values[strings.TrimPrefix(s, "$")]; ok && s[0] == '$' {
			return value
		}
		return s
	})
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, begun = r, true
		case quote == 0 && (r == ' ' || r == '\n' || r == '\\'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	return words
}

// differs says where what was got is not what the example shows.
func differs(at string, want, got any) string {
	switch w := want.(type) {
	case string:
		pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(w), "…", ".+") + "$"
		if g, ok := got.(string); !ok || !regexp.MustCompile(pattern).MatchString(g) {
			return fmt.Sprintf("%s: got %v, want %q", at, got, w)
		}
	case map[string]any:
		g, ok := got.(map[string]any)
		if diff := cmp.Diff(slices.Sorted(maps.Keys(w)), slices.Sorted(maps.Keys(g))); !ok || diff != "" {
			return fmt.Sprintf("%s: the members differ (-want +got):\n%s", at, diff)
		}
		for name := range w {
			if problem := differs(at+"."+name, w[name], g[name]); problem != "" {
				return problem
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return fmt.Sprintf("%s: got %v, want %d items", at, got, len(w))
		}
		for i := range w {
			if problem := differs(fmt.Sprint(at, "[", i, "]"), w[i], g[i]); problem != "" {
				return problem
			}
		}
	default:
		if !cmp.Equal(want, got) {
			return fmt.Sprintf("%s: got %v, want %v", at, got, want)
		}
	}
	return ""
}
