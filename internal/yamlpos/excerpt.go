package yamlpos

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

const mask = "****"

// maxExcerpt bounds a source line that is shown, in bytes.
const maxExcerpt = 160

// Excerpts shows source lines. Only keys, and values that a reader has put into Shown, are shown;
// everything else is masked: what was put into Hidden, values under unknown keys (a misspelt
// client_secret is still one), of the wrong kind, in sections that are not ours.
type Excerpts struct {
	*Document
	// Shown are values that were read into a field that is no secret. Hidden are those that must not be
	// shown wherever else they stand, as by an alias.
	Shown, Hidden map[*yaml.Node]bool

	masked [][]rune    // the lines with masks; made when first asked for
	cut    map[int]int // line: column of its first mask; 0: too long to be shown
}

// NewExcerpts shows nothing but keys until values are put into Shown.
func NewExcerpts(d *Document) Excerpts {
	return Excerpts{Document: d, Shown: map[*yaml.Node]bool{}, Hidden: map[*yaml.Node]bool{}}
}

// Line gives the line of a position. It is empty where a mask before the column would move the caret.
func (e *Excerpts) Line(p Position) string {
	if e.masked == nil {
		e.mask()
	}
	if p.Line < 1 || p.Line > len(e.masked) {
		return ""
	}
	if cut, ok := e.cut[p.Line]; ok && cut < p.Column {
		return ""
	}
	line, _, _ := strings.Cut(string(e.masked[p.Line-1]), " #") // a comment may say anything
	return strings.TrimRight(line, " \r")
}

// mask writes a mask from the beginning of each value that is not shown to the beginning of the next
// scalar: nodes do not say where they end.
func (e *Excerpts) mask() {
	e.cut = map[int]int{}
	e.masked = make([][]rune, len(e.lines))
	for i, line := range e.lines {
		if len(line) > maxExcerpt {
			e.cut[i+1] = 0
			continue
		}
		e.masked[i] = []rune(printable(line))
	}
	// From the end to the beginning, so that columns before the node still hold.
	for i, n := range slices.Backward(e.scalars) {
		if e.keys[n] || e.Shown[n] && !e.Hidden[n] || n.Value == "" {
			continue
		}
		end := Position{Line: len(e.masked) + 1, Column: 1}
		if i+1 < len(e.scalars) {
			end.Line, end.Column = e.scalars[i+1].Line, e.scalars[i+1].Column
		}
		e.hide(n, end)
	}
}

func (e *Excerpts) hide(n *yaml.Node, end Position) {
	var tail string
	if end.Line == n.Line {
		tail = " " + string(e.from(end))
	}
	if cut, ok := e.cut[n.Line]; !ok || cut > 0 {
		e.masked[n.Line-1] = []rune(string(e.before(n.Line, n.Column)) + mask + tail)
		e.cut[n.Line] = n.Column
	}
	for line := n.Line + 1; line < end.Line; line++ {
		e.masked[line-1] = nil
	}
	if n.Line < end.Line && end.Line <= len(e.masked) && strings.Trim(string(e.before(end.Line, end.Column)), " -") != "" { // a flow goes on there
		e.masked[end.Line-1], e.cut[end.Line] = nil, 0
	}
}

func (e *Excerpts) before(line, column int) []rune {
	return e.masked[line-1][:min(column-1, len(e.masked[line-1]))]
}

func (e *Excerpts) from(p Position) []rune {
	return e.masked[p.Line-1][min(p.Column-1, len(e.masked[p.Line-1])):]
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

// Quoted is a text in quotes, cut after 60 characters.
func Quoted(text string) string {
	if runes := []rune(text); len(runes) > 60 {
		text = string(runes[:60]) + "…"
	}
	return fmt.Sprintf("%q", text)
}
