package oauth

import "strings"

// Clean makes foreign text fit for a log line or a page: printable, on one line, and of at most limit
// bytes, after which an ellipsis says that it was cut.
func Clean(text string, limit int) string { return cut(printable(text), limit) }

// printable drops control characters and those that change the direction of writing.
func printable(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ', r >= 0x7f && r < 0xa0, r == '\uFFFD', r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, text))
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	return strings.TrimSpace(strings.ToValidUTF8(text[:limit], "")) + "…"
}
