package document

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// Reading is what a document says.
type Reading struct {
	Text string
	// Lost are the kinds of nodes that the text does not hold, in the words of the format: a document that is
	// written of the text has them no more.
	Lost []string
}

// Read reads a document. It takes whatever there is: nodes that it does not know for what is in them, and what is no
// document at all for an empty one. No more than 1 MiB of text is read, and 40 nodes in one another.
func Read(doc json.RawMessage) Reading {
	var root any
	if json.Unmarshal(doc, &root) != nil {
		return Reading{}
	}
	r := &reading{left: maxText}
	text := strings.Join(r.block(root, 0), "\n")
	slices.Sort(r.lost)
	return Reading{Text: strings.Trim(text, "\n"), Lost: r.lost}
}

// reading goes through the nodes of a document.
type reading struct {
	left int // bytes of text that may still come
	lost []string
}

// lose notes a kind of node that a text cannot hold.
func (r *reading) lose(kind string) {
	kind = cleaned(kind)
	if letters := []rune(kind); len(letters) > maxWord {
		kind = string(letters[:maxWord])
	}
	if kind != "" && len(r.lost) < maxLost && !slices.Contains(r.lost, kind) {
		r.lost = append(r.lost, kind)
	}
}

// take counts a text, and cuts what is too much.
func (r *reading) take(text string) string {
	text = strings.ToValidUTF8(text[:min(len(text), r.left)], "")
	r.left -= len(text)
	return text
}

// block gives the lines of a node and those in it.
func (r *reading) block(n any, depth int) []string {
	if depth > maxDepth {
		r.lose(word(n, "type"))
		return nil
	}
	switch kind := word(n, "type"); kind {
	case "paragraph", "caption":
		return trimmed(r.inline(n, depth))
	case "heading":
		level := min(max(number(attr(n, "level")), 1), 6)
		return marked(strings.Repeat("#", level)+" ", strings.Join(trimmed(r.inline(n, depth)), " "))
	case "bulletList":
		return r.items(n, depth, func(int) string { return "- " })
	case "orderedList":
		start := 1
		if order := attr(n, "order"); order != nil {
			start = max(number(order), 0)
		}
		return r.items(n, depth, func(i int) string { return strconv.Itoa(min(start+i, 999_999_999)) + ". " })
	case "blockquote":
		return prefixed("> ", "> ", r.blocks(n, depth, true))
	case "codeBlock":
		return r.code(n, depth)
	case "rule":
		return []string{"---"}
	case "doc", "listItem":
		return r.blocks(n, depth, kind == "doc")
	case "text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard", "inlineExtension", "placeholder", "mediaInline":
		return trimmed(r.piece(n, depth)) // where a paragraph is left out
	}
	return r.rich(n, depth)
}

// blocks gives the lines of the nodes in a node, apart by an empty line or not.
func (r *reading) blocks(n any, depth int, apart bool) []string {
	var all []string
	for _, child := range children(n) {
		lines := r.block(child, depth+1)
		if len(lines) == 0 {
			continue
		}
		if apart && len(all) > 0 {
			all = append(all, "")
		}
		all = append(all, lines...)
	}
	return all
}

// items gives the lines of a list.
func (r *reading) items(n any, depth int, marker func(int) string) []string {
	var all []string
	for i, item := range children(n) {
		all = append(all, prefixed(marker(i), "  ", r.block(item, depth+1))...)
	}
	return all
}

// code gives a fenced block, with a fence that is longer than any in it.
func (r *reading) code(n any, depth int) []string {
	var content strings.Builder
	for _, child := range children(n) {
		content.WriteString(r.take(plain(word(child, "text"))))
	}
	fence := "```"
	for strings.Contains(content.String(), fence) {
		fence += "`"
	}
	language, _ := attr(n, "language").(string)
	return append(append([]string{fence + languageOf(language)}, strings.Split(content.String(), "\n")...), fence)
}

// plain is a text of a document as it may stand in a code block.
func plain(text string) string { return strings.ReplaceAll(cleaned(text), "\t", "    ") }

// trimmed are the lines of a text that are not empty.
func trimmed(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// marked is one line with what makes it more than text, unless it is empty.
func marked(prefix, line string) []string {
	if line == "" {
		return nil
	}
	return []string{prefix + line}
}

// prefixed puts something before the first line and before the others.
func prefixed(first, others string, lines []string) []string {
	all := make([]string, 0, len(lines))
	for i, line := range lines {
		if i > 0 {
			first = others
		}
		all = append(all, strings.TrimRight(first+line, " "))
	}
	return all
}

func children(n any) []any {
	fields, _ := n.(map[string]any)
	content, _ := fields["content"].([]any)
	return content
}

func word(n any, field string) string {
	fields, _ := n.(map[string]any)
	text, _ := fields[field].(string)
	return text
}

func attr(n any, name string) any {
	fields, _ := n.(map[string]any)
	attrs, _ := fields["attrs"].(map[string]any)
	return attrs[name]
}

// number reads a number, and what is none as 0.
func number(value any) int {
	n, _ := value.(float64)
	if n != n || n < 0 || n > 999_999_999 {
		return 0
	}
	return int(n)
}
