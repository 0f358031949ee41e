package document_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/toolkit/internal/document"
)

const everything = `# Warm the pots

Pour **hot** water, see [the manual](https://example.com/pots).
Then wait at https://example.com/wait?for=4, please.

- green
  two minutes
- black
  1. Assam
  2. Ceylon

3. taste
4. pour

> Slowly.
>
> And warm.

---

` + "Run `brew`:\n\n```sh\nbrew --now\n\n  --slowly\n```"

func TestTextSurvivesADocument(t *testing.T) {
	got := document.Read(document.Write(everything))
	if diff := cmp.Diff(document.Reading{Text: everything}, got); diff != "" {
		t.Errorf("the text is another one (-want +got):\n%s", diff)
	}
}

func TestWriteMakesNodesOfTheFormat(t *testing.T) {
	for _, c := range []struct{ name, text, content string }{
		{"nothing", "", `[{"type":"paragraph"}]`},
		{"lines of one paragraph", "a\nb", `[{"type":"paragraph","content":[{"type":"text","text":"a"},{"type":"hardBreak"},{"type":"text","text":"b"}]}]`},
		{"a heading", "### Tea", `[{"type":"heading","attrs":{"level":3},"content":[{"type":"text","text":"Tea"}]}]`},
		{"marks", "`a` **b** https://c.example.", `[{"type":"paragraph","content":[
			{"type":"text","text":"a","marks":[{"type":"code"}]},{"type":"text","text":" "},
			{"type":"text","text":"b","marks":[{"type":"strong"}]},{"type":"text","text":" "},
			{"type":"text","text":"https://c.example","marks":[{"type":"link","attrs":{"href":"https://c.example"}}]},{"type":"text","text":"."}]}]`},
		{"no marks", "2 * 3 ** 4, a_b_c #1 [x] [y](javascript:z)", `[{"type":"paragraph","content":[
			{"type":"text","text":"2 * 3 ** 4, a_b_c #1 [x] [y](javascript:z)"}]}]`},
		{"a list in a list", "1. a\n   - b\n2. c", `[{"type":"orderedList","content":[
			{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"a"}]},
				{"type":"bulletList","content":[{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"b"}]}]}]}]},
			{"type":"listItem","content":[{"type":"paragraph","content":[{"type":"text","text":"c"}]}]}]}]`},
		{"code without an end", "```\n*", `[{"type":"codeBlock","content":[{"type":"text","text":"*"}]}]`},
		{"control characters", "a\x00b\u202ec\r\n", `[{"type":"paragraph","content":[{"type":"text","text":"abc"}]}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := `{"type":"doc","version":1,"content":` + c.content + `}`
			if diff := cmp.Diff(tree(t, []byte(want)), tree(t, document.Write(c.text))); diff != "" {
				t.Errorf("the document is another one (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadShowsWhatATextCannotHoldAndNamesIt(t *testing.T) {
	for _, c := range []struct {
		name, content, text string
		lost                []string
	}{
		{"a table", `{"type":"table","content":[{"type":"tableRow","content":[
			{"type":"tableHeader","content":[{"type":"paragraph","content":[{"type":"text","text":"Tea"}]}]},
			{"type":"tableCell","content":[{"type":"paragraph","content":[{"type":"text","text":"4"},{"type":"hardBreak"},{"type":"text","text":"min"}]}]}]}]}`, "| Tea | 4 min |", []string{"table"}},
		{"people, dates and states", `{"type":"paragraph","content":[{"type":"mention","attrs":{"id":"x","text":"@Alice"}},{"type":"text","text":" by "},
			{"type":"date","attrs":{"timestamp":"1767225600000"}},{"type":"text","text":" "},{"type":"status","attrs":{"text":"Open"}}]}`, "@Alice by 2026-01-01 [Open]", []string{"date", "mention", "status"}},
		{"a macro with a body", `{"type":"bodiedExtension","attrs":{"extensionKey":"toc"},"content":[{"type":"paragraph","content":[{"type":"text","text":"in it"}]}]}`, "[macro: toc]\nin it", []string{"bodiedExtension"}},
		{"an attachment", `{"type":"mediaSingle","content":[{"type":"media","attrs":{"alt":"pot.png"}}]}`, "[attachment: pot.png]", []string{"media"}},
		{"tasks", `{"type":"taskList","content":[{"type":"taskItem","attrs":{"state":"DONE"},"content":[{"type":"text","text":"pour"}]},
			{"type":"taskItem","attrs":{"state":"TODO"},"content":[{"type":"text","text":"drink"}]}]}`, "- [x] pour\n- [ ] drink", []string{"taskList"}},
		{"a node of tomorrow", `{"type":"hologram","content":[{"type":"paragraph","content":[{"type":"text","text":"hi"}]}]}`, "hi", []string{"hologram"}},
		{"a link to a card", `{"type":"paragraph","content":[{"type":"inlineCard","attrs":{"url":"https://example.com"}}]}`, "https://example.com", nil},
		{"neighbours", `{"type":"paragraph","content":[{"type":"text","text":"a","marks":[{"type":"strong"}]},{"type":"text","text":"b","marks":[{"type":"strong"},{"type":"em"}]}]}`, "**ab**", nil},
		{"fields of another type", `{"type":"paragraph","attrs":[],"marks":"x","content":[7,null,{"type":"text","text":7},{"type":"text","text":"left"}]}`, "left", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := document.Read(json.RawMessage(`{"type":"doc","version":1,"content":[` + c.content + `]}`))
			if diff := cmp.Diff(document.Reading{Text: c.text, Lost: c.lost}, got); diff != "" {
				t.Errorf("the reading is another one (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadIsBounded(t *testing.T) {
	deep := strings.Repeat(`{"type":"blockquote","content":[`, 5000) + strings.Repeat(`]}`, 5000)
	if got := document.Read(json.RawMessage(deep)); got.Text != "" || !slices.Equal(got.Lost, []string{"blockquote"}) {
		t.Errorf("a deep document reads as %.80q, losing %v", got.Text, got.Lost)
	}
	long, err := json.Marshal(map[string]any{"type": "doc", "content": []any{
		map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": strings.Repeat("ä", 1<<20)}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(document.Read(long).Text); got > 1<<20 {
		t.Errorf("a long document reads as %d bytes, want 1 MiB at most", got)
	}
	for _, none := range []string{"", "null", "7", `"text"`, "{", "[]"} {
		if got := document.Read(json.RawMessage(none)); got.Text != "" {
			t.Errorf("%q reads as %q, want nothing", none, got.Text)
		}
	}
}

func tree(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
