package document_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/keybearer/keybearer/toolkit/internal/document"
)

// Every text makes a document that Atlassian takes, and what is read of it makes the same again: an agent that reads a
// page and writes it back changes nothing by itself.
func FuzzWrite(f *testing.F) {
	f.Add(everything)
	for _, text := range []string{"", "- a\n\n- b\n1. c", "> \n>> a", "``` a\n````\n`", "**a****b**`c``d`", "[http://a](http://a)b", "999999999. a\n1. b", "    - a\n  - b\n      - c\n   d", "\t# x\n  ---"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4<<10 {
			return
		}
		doc := document.Write(text)
		checkNode(t, tree(t, doc), "", 0)
		once := document.Read(doc)
		if len(once.Lost) > 0 {
			t.Errorf("%q: our own document has %v", text, once.Lost)
		}
		if again := document.Read(document.Write(once.Text)).Text; again != once.Text {
			t.Errorf("%q reads as %q, and written again as %q", text, once.Text, again)
		}
	})
}

// checkNode holds a node against the schema of the format, as far as it is used here.
// https://unpkg.com/@atlaskit/adf-schema/dist/json-schema/v1/full.json
func checkNode(t *testing.T, value any, parent string, depth int) {
	t.Helper()
	n, _ := value.(map[string]any)
	kind, _ := n["type"].(string)
	inline := []string{"text", "hardBreak"}
	allowed := map[string][]string{
		"":           {"doc"},
		"doc":        {"paragraph", "heading", "bulletList", "orderedList", "blockquote", "codeBlock", "rule"},
		"paragraph":  inline,
		"heading":    inline,
		"bulletList": {"listItem"}, "orderedList": {"listItem"},
		"listItem":   {"paragraph", "bulletList", "orderedList"},
		"blockquote": {"paragraph"},
		"codeBlock":  {"text"},
	}
	if !slices.Contains(allowed[parent], kind) || depth > 60 {
		t.Fatalf("a %q in a %q, %d deep", kind, parent, depth)
	}
	text, isText := n["text"].(string)
	if (kind == "text") != isText || isText && text == "" {
		t.Errorf("a %s with the text %q", kind, text)
	}
	content, _ := n["content"].([]any)
	if len(content) == 0 && slices.Contains([]string{"doc", "bulletList", "orderedList", "listItem", "blockquote"}, kind) {
		t.Errorf("an empty %s", kind)
	}
	if kind == "codeBlock" && n["marks"] != nil {
		t.Error("marks in a code block")
	}
	for _, child := range content {
		checkNode(t, child, kind, depth+1)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(document.Write(everything)))
	f.Add([]byte(`{"type":"doc","content":[{"type":"table","content":[{"type":"tableRow","content":[{"content":[{"type":"text","text":"a\u0000\n"}]}]}]},{"type":"date","attrs":{"timestamp":"9"}}]}`))
	f.Add([]byte(`{"type":"listItem","content":[{"type":"orderedList","attrs":{"order":1e99},"content":[{"type":"media"}]}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		got := document.Read(doc)
		if len(got.Text) > 64*len(doc)+1024 {
			t.Errorf("%d bytes of a document read as %d of text", len(doc), len(got.Text))
		}
		bad := func(r rune) bool { return r != '\n' && unicode.IsControl(r) }
		if !utf8.ValidString(got.Text) || strings.ContainsFunc(got.Text, bad) {
			t.Errorf("%s reads as %q", doc, got.Text)
		}
		var raw json.RawMessage
		if json.Unmarshal(doc, &raw) != nil && got.Text != "" {
			t.Errorf("%q, which is no JSON, reads as %q", doc, got.Text)
		}
	})
}
