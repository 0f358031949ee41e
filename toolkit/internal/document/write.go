package document

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
)

// Write makes a document of a text. Every text is one: what is no mark of the text's form stays as it is.
func Write(text string) json.RawMessage {
	w := writing{left: strings.Split(strings.ReplaceAll(cleaned(text), "\t", "    "), "\n"), forms: formsOf()}
	root := node{Type: "doc", Version: 1, Content: w.blocks()}
	if root.Content == nil {
		root.Content = []node{paragraph(nil)} // a document is never empty
	}
	written, err := json.Marshal(root)
	if err != nil {
		panic("document: " + err.Error()) // texts, numbers and maps of them can always be written
	}
	return written
}

// forms are how a line begins that is more than text, and what in a line is.
type forms struct{ heading, rule, item, fence, marked *regexp.Regexp }

func formsOf() forms {
	return forms{
		heading: regexp.MustCompile(`^(#{1,6}) +(\S.*)$`),
		rule:    regexp.MustCompile(`^(-{3,}|\*{3,}|_{3,})$`),
		item:    regexp.MustCompile(`^( *)([-*]|[0-9]{1,9}[.]) +(\S.*)$`),
		fence:   regexp.MustCompile("^( *)(`{3,})([^`]*)$"),
		marked:  markedForm(),
	}
}

// writing goes through the lines of a text.
type writing struct {
	left  []string
	forms forms
}

// next takes a line, without the space around it.
func (w *writing) next() string {
	line := w.left[0]
	w.left = w.left[1:]
	return strings.TrimSpace(line)
}

func (w *writing) blocks() []node {
	var all []node
	for len(w.left) > 0 {
		if strings.TrimSpace(w.left[0]) == "" {
			w.next()
			continue
		}
		if block, ok := w.block(); ok {
			all = append(all, block)
		}
	}
	return all
}

// block takes the lines of one block. A quote of nothing is none.
func (w *writing) block() (node, bool) {
	line := strings.TrimSpace(w.left[0])
	switch {
	case w.forms.fence.MatchString(w.left[0]):
		return w.code(), true
	case w.forms.item.MatchString(w.left[0]):
		return w.list(), true
	case w.forms.rule.MatchString(line):
		w.next()
		return node{Type: "rule"}, true
	case w.forms.heading.MatchString(line):
		m := w.forms.heading.FindStringSubmatch(w.next())
		return node{Type: "heading", Attrs: map[string]any{"level": len(m[1])}, Content: w.forms.inline(m[2])}, true
	case strings.HasPrefix(line, ">"):
		return w.quote()
	}
	return w.paragraph(), true
}

// plain reports a line that begins nothing of its own.
func (w *writing) plain(raw string) bool {
	line := strings.TrimSpace(raw)
	return line != "" && !strings.HasPrefix(line, ">") && !w.forms.fence.MatchString(raw) && !w.forms.item.MatchString(raw) &&
		!w.forms.rule.MatchString(line) && !w.forms.heading.MatchString(line)
}

func (w *writing) paragraph() node {
	text := []string{w.next()}
	for len(w.left) > 0 && w.plain(w.left[0]) {
		text = append(text, w.next())
	}
	return paragraph(w.forms.lines(text))
}

// quote holds paragraphs and nothing else.
func (w *writing) quote() (node, bool) {
	quoted := node{Type: "blockquote"}
	var text []string
	end := func() {
		if len(text) > 0 {
			quoted.Content = append(quoted.Content, paragraph(w.forms.lines(text)))
			text = nil
		}
	}
	for len(w.left) > 0 && strings.HasPrefix(strings.TrimSpace(w.left[0]), ">") {
		line := strings.TrimSpace(strings.TrimPrefix(w.next(), ">"))
		if line == "" {
			end()
			continue
		}
		text = append(text, line)
	}
	end()
	return quoted, quoted.Content != nil
}

// code takes a fenced block, which ends with the text at the latest. Indented as a whole, as models write it in lists,
// it loses the indentation.
func (w *writing) code() node {
	m := w.forms.fence.FindStringSubmatch(w.left[0])
	w.left = w.left[1:]
	indent, fence, language := m[1], m[2], strings.TrimSpace(m[3])
	var text []string
	for len(w.left) > 0 {
		raw := w.left[0]
		w.left = w.left[1:]
		if end := strings.TrimSpace(raw); strings.Trim(end, "`") == "" && len(end) >= len(fence) {
			break
		}
		text = append(text, strings.TrimPrefix(raw, indent))
	}
	block := node{Type: "codeBlock"}
	if language := languageOf(language); language != "" {
		block.Attrs = map[string]any{"language": language}
	}
	if content := strings.Join(text, "\n"); content != "" {
		block.Content = []node{{Type: "text", Text: content}}
	}
	return block
}

// languageOf is the name of a language, or "" for what is none.
func languageOf(text string) string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+#._-"
	if len(text) > maxWord || strings.Trim(text, letters) != "" {
		return ""
	}
	return text
}

// list takes the items of one list with what is indented below them.
func (w *writing) list() node { return w.listAt(0) }

func (w *writing) listAt(depth int) node {
	first := w.forms.item.FindStringSubmatch(w.left[0])
	at := len(first[1])
	all := node{Type: "bulletList"}
	if numbered(first[2]) {
		all.Type = "orderedList"
		if start, _ := strconv.Atoi(strings.TrimSuffix(first[2], ".")); start != 1 { // nine digits at most
			all.Attrs = map[string]any{"order": start}
		}
	}
	for {
		m := w.itemAhead()
		if m == nil || len(m[1]) < at && depth > 0 || numbered(m[2]) != numbered(first[2]) {
			return all
		}
		all.Content = append(all.Content, w.itemOf(m, depth))
	}
}

func numbered(marker string) bool { return strings.HasSuffix(marker, ".") }

// itemAhead looks at the next line that is not empty, and takes the empty ones away if it is an item.
func (w *writing) itemAhead() []string {
	for i, line := range w.left {
		if strings.TrimSpace(line) == "" {
			continue
		}
		m := w.forms.item.FindStringSubmatch(line)
		if m != nil {
			w.left = w.left[i:]
		}
		return m
	}
	return nil
}

// itemOf takes an item: its text, the lines that go on with it, and the lists in it.
func (w *writing) itemOf(m []string, depth int) node {
	at, text := len(m[1]), []string{strings.TrimSpace(m[3])}
	w.left = w.left[1:]
	var inner []node
	for {
		switch below := w.itemAhead(); {
		case below != nil && len(below[1]) >= at+2 && depth < maxDepth/4:
			inner = append(inner, w.listAt(depth+1))
		case below == nil && len(inner) == 0 && len(w.left) > 0 && w.goesOn(w.left[0]):
			text = append(text, w.next())
		default:
			return node{Type: "listItem", Content: append([]node{paragraph(w.forms.lines(text))}, inner...)}
		}
	}
}

// goesOn reports a line that belongs to the item above it.
func (w *writing) goesOn(line string) bool {
	return strings.TrimSpace(line) != "" && strings.HasPrefix(line, "  ") && !w.forms.fence.MatchString(line)
}
