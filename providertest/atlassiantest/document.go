package atlassiantest

import (
	"encoding/json"
	"strings"
	"time"
)

// Jira's API has rich text as Atlassian's document format in version 3 and as
// plain text in version 2; each refuses the other's. Here texts are kept plain.

// jiraTime is how Jira writes times: with milliseconds and a zone without colon.
func jiraTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000-0700") }

// writtenText is a kept text as a version shows it.
func writtenText(text string, rich bool) any {
	switch {
	case !rich:
		return text
	case text == "":
		return nil
	}
	return map[string]any{"type": "doc", "version": 1, "content": []any{
		map[string]any{"type": "paragraph", "content": []any{map[string]any{"type": "text", "text": text}}},
	}}
}

// readText takes a text as a version wants it: plain, or a document in JSON.
func readText(sent string, rich bool) (text string, ok bool) {
	if !rich {
		return sent, true
	}
	var doc node
	if json.Unmarshal([]byte(sent), &doc) != nil || doc.Type != "doc" {
		return "", false
	}
	var b strings.Builder
	doc.write(&b)
	return strings.TrimSpace(b.String()), true
}

// node is a part of a document.
type node struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Content []node `json:"content"`
}

// write collects the texts; the decoder bounds the depth.
func (n node) write(b *strings.Builder) {
	b.WriteString(n.Text)
	for _, child := range n.Content {
		child.write(b)
	}
	if n.Type == "paragraph" {
		b.WriteString("\n")
	}
}
