package document

import (
	"regexp"
	"strings"
)

// markedForm finds what in a line is more than text. Its groups are code, strong, and a link's text and address.
func markedForm() *regexp.Regexp {
	return regexp.MustCompile("`([^`]*[^`\\s][^`]*)`" +
		`|\*\*([^\s*](?:[^*]*[^\s*])?)\*\*` +
		`|\[([^\[\]]*[^\[\]\s][^\[\]]*)\]\((https?://[^\s()<>]+)\)` +
		`|https?://[^\s()<>\[\]"` + "`" + `*]*[^\s()<>\[\]"` + "`" + `*.,;:!?']`) // an address, without the sentence's end
}

// lines are inline nodes with a break between each two lines.
func (f forms) lines(all []string) []node {
	var content []node
	for i, line := range all {
		if i > 0 {
			content = append(content, node{Type: "hardBreak"})
		}
		content = append(content, f.inline(line)...)
	}
	return content
}

// inline makes nodes of one line that is not empty. A node never has an empty text: Atlassian refuses the whole
// document for one.
func (f forms) inline(line string) []node {
	var all []node
	end := 0
	add := func(text string, marks ...mark) {
		if text != "" {
			all = append(all, node{Type: "text", Text: text, Marks: marks})
		}
	}
	for _, at := range f.marked.FindAllStringSubmatchIndex(line, -1) {
		add(line[end:at[0]])
		end = at[1]
		group := func(n int) string { return line[at[2*n]:at[2*n+1]] }
		switch {
		case at[2] >= 0:
			add(group(1), mark{Type: "code"})
		case at[4] >= 0:
			add(group(2), mark{Type: "strong"})
		case at[6] >= 0:
			add(group(3), link(group(4)))
		default:
			add(line[at[0]:at[1]], link(line[at[0]:at[1]]))
		}
	}
	add(line[end:])
	return all
}

func link(address string) mark { return mark{Type: "link", Attrs: map[string]any{"href": address}} }

// marksOf writes the marks of a text as inline reads them, where that can be said in a text.
func marksOf(text, kind, address string) string {
	switch {
	case strings.TrimSpace(text) == "":
		return text
	case kind == "link" && address == text:
		return text
	case kind == "link" && strings.ContainsAny(text, "[]"):
		return text + " (" + address + ")"
	case kind == "link":
		return "[" + text + "](" + address + ")"
	case kind == "code" && !strings.Contains(text, "`"):
		return "`" + text + "`"
	case kind == "strong" && strings.TrimSpace(text) == text && !strings.Contains(text, "*"):
		return "**" + text + "**"
	}
	return text
}
