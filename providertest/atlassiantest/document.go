package atlassiantest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Jira's API has rich text as Atlassian's document format in version 3 and as
// plain text in version 2; each refuses the other's. Confluence's has documents
// beside its storage format.

// richText is a text in the form that it came in, and plain.
type richText struct {
	Plain    string
	Document json.RawMessage // nil if it came as plain text
}

// jiraTime is how Jira writes times: with milliseconds and a zone without colon.
func jiraTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// written is a text as a version of the API shows it.
func (t richText) written(rich bool) any {
	switch {
	case !rich:
		return t.Plain
	case t.Document != nil:
		return t.Document
	case t.Plain == "":
		return nil
	}
	return map[string]any{"type": "doc", "version": 1, "content": []any{
		map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": t.Plain}}},
	}}
}

// readText takes a text as a version wants it: plain, or a document in JSON.
func readText(sent string, rich bool) (text richText, ok bool) {
	if !rich {
		return richText{Plain: sent}, true
	}
	var doc node
	if json.Unmarshal([]byte(sent), &doc) != nil || doc.Type != "doc" || !doc.valid() {
		return richText{}, false
	}
	var b strings.Builder
	doc.write(&b)
	return richText{strings.TrimSpace(b.String()), json.RawMessage(sent)}, true
}

// node is a part of a document.
type node struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Content []node `json:"content"`
}

// valid reports whether every text has one: an empty text is what makes clients'
// documents invalid most often.
func (n node) valid() bool {
	return (n.Type != "text" || n.Text != "") && !slices.ContainsFunc(n.Content, func(child node) bool { return !child.valid() })
}

// write collects the texts; the decoder bounds the depth.
func (n node) write(b *strings.Builder) {
	b.WriteString(n.Text)
	for _, child := range n.Content {
		child.write(b)
	}
	switch n.Type {
	case "paragraph", "heading", "codeBlock", "hardBreak":
		b.WriteString("\n")
	}
}
