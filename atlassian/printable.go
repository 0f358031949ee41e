package atlassian

import (
	"strings"
	"unicode"
)

// printable makes foreign text fit to be shown on one line: without control characters and direction
// marks, at most so many letters.
func printable(text string, letters int) string {
	if len(text) > 8*letters { // no need to look at all of a huge one
		text = text[:8*letters]
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
	if runes := []rune(text); len(runes) > letters {
		return string(runes[:letters]) + "…"
	}
	return text
}
