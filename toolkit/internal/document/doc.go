// Package document turns Atlassian's document format into text that a model reads and writes, and back.
//
// Jira and Confluence keep rich text as a tree of nodes in JSON, the Atlassian Document Format. The text here is
// the part of Markdown that models use anyway: paragraphs, #headings, lists, > quotes, fenced code, rules, **strong**,
// `code` and links. [Write] makes a document of such a text, [Read] the text of a document; what a text cannot hold, such
// as a macro, is named, so that nobody overwrites it unknowingly. Fetching and storing are others' business.
//
// https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
package document

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The bounds of a document, which somebody else has written.
const (
	maxDepth = 40      // nodes in nodes
	maxText  = 1 << 20 // bytes of text
	maxLost  = 20      // kinds of nodes that are named
	maxWord  = 40      // letters of such a name
)

// cleaned is a text without what documents cannot hold: bytes that are no UTF-8, control characters, and marks that turn
// the direction of what stands behind them. Lines end with \n, and space is space.
func cleaned(text string) string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n").Replace(text)
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		}
		return r
	}, text)
}
