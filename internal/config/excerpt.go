package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

const mask = "****"

// maxExcerpt bounds a source line that is shown.
const maxExcerpt = 160

// excerpts shows source lines. Only keys, and values that were read into a field that is no secret,
// are shown; everything else is masked: values under secret keys, under unknown keys (a misspelt
// client_secret is still one), of the wrong kind, in sections that are not ours.
type excerpts struct {
	*document
	shown, hidden map[*yaml.Node]bool
	lines         [][]rune    // with masks; made when first asked for
	cut           map[int]int // line: column of its first mask
}

// line gives the line of a position. It is empty where a mask before the column would move the caret.
func (e *excerpts) line(p Position) string {
	if e.lines == nil {
		e.mask()
	}
	if p.Line < 1 || p.Line > len(e.lines) || len(e.lines[p.Line-1]) > maxExcerpt {
		return ""
	}
	if cut, ok := e.cut[p.Line]; ok && cut < p.Column {
		return ""
	}
	return strings.TrimRight(string(e.lines[p.Line-1]), " \r")
}

// mask writes a mask from the beginning of each value that is not shown to the beginning of the next
// scalar: nodes do not say where they end.
func (e *excerpts) mask() {
	e.cut = map[int]int{}
	e.lines = make([][]rune, len(e.document.lines))
	for i, line := range e.document.lines {
		e.lines[i] = []rune(printable(line))
	}
	// From the end to the beginning, so that columns before the node still hold.
	for i, n := range slices.Backward(e.scalars) {
		e.uncomment(n)
		if e.keys[n] || e.shown[n] && !e.hidden[n] || n.Value == "" {
			continue
		}
		end := Position{Line: len(e.lines) + 1, Column: 1}
		if i+1 < len(e.scalars) {
			end.Line, end.Column = e.scalars[i+1].Line, e.scalars[i+1].Column
		}
		e.hide(n, end)
	}
}

func (e *excerpts) hide(n *yaml.Node, end Position) {
	e.cut[n.Line] = n.Column
	head := string(e.before(n.Line, n.Column))
	if end.Line == n.Line {
		e.lines[n.Line-1] = []rune(head + mask + " " + string(e.from(end)))
		return
	}
	e.lines[n.Line-1] = []rune(head + mask)
	for line := n.Line + 1; line < end.Line; line++ {
		e.lines[line-1] = []rune(mask)
	}
	if end.Line <= len(e.lines) && strings.Trim(string(e.before(end.Line, end.Column)), " -") != "" { // a flow goes on there
		e.lines[end.Line-1] = []rune(mask + " " + string(e.from(end)))
		e.cut[end.Line] = 1
	}
}

func (e *excerpts) before(line, column int) []rune {
	return e.lines[line-1][:min(column-1, len(e.lines[line-1]))]
}

func (e *excerpts) from(p Position) []rune {
	return e.lines[p.Line-1][min(p.Column-1, len(e.lines[p.Line-1])):]
}

// uncomment cuts the comment behind a node off: it may say anything.
func (e *excerpts) uncomment(n *yaml.Node) {
	line := string(e.lines[n.Line-1])
	if at := strings.LastIndex(line, n.LineComment); n.LineComment != "" && at >= 0 {
		e.lines[n.Line-1] = []rune(line[:at])
	}
}

// keyOnly shows a line of a file that could not be parsed: its key, if it has one, and no value.
func keyOnly(line string) string {
	key := regexp.MustCompile(`^[ \t]*(- +)*["']?[A-Za-z_$][A-Za-z0-9_.$-]{0,63}["']?[ \t]*:`).FindString(line)
	if key == "" {
		return ""
	}
	if strings.TrimSpace(line) == strings.TrimSpace(key) {
		return printable(key)
	}
	return printable(key) + " " + mask
}

// printable replaces what a terminal would act on; one rune for one rune, so that columns hold.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r != '\r' && !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// quoted is a short text in quotes.
func quoted(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
