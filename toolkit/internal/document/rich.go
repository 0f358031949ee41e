package document

import (
	"strconv"
	"strings"
	"time"
)

// rich gives what is more than a text can hold as well as a text can show it.
func (r *reading) rich(n any, depth int) []string {
	kind := word(n, "type")
	switch kind {
	case "taskList", "decisionList":
		r.lose(kind)
		return r.blocks(n, depth, false)
	case "taskItem":
		box := "- [ ] "
		if state, _ := attr(n, "state").(string); state == "DONE" {
			box = "- [x] "
		}
		return marked(box, strings.Join(trimmed(r.inline(n, depth)), " "))
	case "decisionItem":
		return marked("- ", strings.Join(trimmed(r.inline(n, depth)), " "))
	case "table":
		r.lose(kind)
		return r.blocks(n, depth, false)
	case "tableRow":
		return r.row(n, depth)
	case "media":
		r.lose(kind)
		return []string{r.take(named("attachment", attr(n, "alt")))}
	case "mediaGroup", "mediaSingle":
		return r.blocks(n, depth, false)
	case "blockCard", "embedCard":
		r.lose(kind)
		return trimmed(r.take(said(attr(n, "url"))))
	case "extension", "bodiedExtension", "multiBodiedExtension":
		r.lose(kind)
		return append([]string{r.take(named("macro", attr(n, "extensionKey")))}, r.blocks(n, depth, true)...)
	case "expand", "nestedExpand":
		r.lose(kind)
		return append(trimmed(r.take(said(attr(n, "title")))), r.blocks(n, depth, true)...)
	}
	r.lose(kind)
	return r.blocks(n, depth, true)
}

// row is a row of a table as one line.
func (r *reading) row(n any, depth int) []string {
	var line strings.Builder
	line.WriteString("|")
	for _, cell := range children(n) {
		line.WriteString(" " + strings.Join(r.blocks(cell, depth+1, false), " ") + " |")
	}
	return []string{line.String()}
}

// inline gives the text of the nodes in a node. Neighbours that are strong, or nothing, are one text.
func (r *reading) inline(n any, depth int) string {
	var all, run strings.Builder
	var kind, address string
	end := func() {
		all.WriteString(marksOf(run.String(), kind, address))
		run.Reset()
	}
	for _, child := range children(n) {
		childKind, childAddress := "", ""
		if word(child, "type") == "text" {
			childKind, childAddress = markOf(child)
		}
		if childKind != kind || kind == "code" || kind == "link" {
			end()
			kind, address = childKind, childAddress
		}
		run.WriteString(r.piece(child, depth))
	}
	end()
	return all.String()
}

// piece is the text of one inline node.
func (r *reading) piece(n any, depth int) string {
	switch kind := word(n, "type"); kind {
	case "text":
		return r.take(strings.ReplaceAll(plain(word(n, "text")), "\n", " "))
	case "hardBreak":
		return r.take("\n")
	case "inlineCard":
		return r.take(said(attr(n, "url")))
	case "emoji":
		if text := said(attr(n, "text")); text != "" {
			return r.take(text)
		}
		return r.take(said(attr(n, "shortName")))
	case "mention":
		r.lose(kind)
		return r.take("@" + strings.TrimPrefix(said(attr(n, "text")), "@"))
	case "status":
		r.lose(kind)
		return r.take("[" + said(attr(n, "text")) + "]")
	case "date":
		r.lose(kind)
		return r.take(day(attr(n, "timestamp")))
	case "placeholder":
		return "" // what the editor shows until somebody writes there
	case "mediaInline":
		r.lose(kind)
		return r.take(named("attachment", attr(n, "alt")))
	case "inlineExtension":
		r.lose(kind)
		return r.take(named("macro", attr(n, "extensionKey")))
	}
	if depth > maxDepth {
		return ""
	}
	return strings.Join(r.block(n, depth+1), " ") // a block where none belongs
}

// markOf is the mark of a text that counts, and the address of a link.
func markOf(n any) (kind, address string) {
	fields, _ := n.(map[string]any)
	marks, _ := fields["marks"].([]any)
	for _, m := range marks {
		switch found := word(m, "type"); found {
		case "link":
			if href := said(attr(m, "href")); strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "http://") {
				return found, href
			}
		case "code", "strong":
			kind = found
		}
	}
	return kind, ""
}

// said is an attribute as a text on one line.
func said(value any) string {
	text, _ := value.(string)
	return strings.Join(strings.Fields(cleaned(text)), " ")
}

// named says in brackets what stands here that is no text.
func named(what string, name any) string {
	if name := said(name); name != "" {
		return "[" + what + ": " + name + "]"
	}
	return "[" + what + "]"
}

// day reads a date, which is milliseconds in a text.
func day(timestamp any) string {
	text, _ := timestamp.(string)
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.DateOnly)
}
