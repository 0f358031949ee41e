package proxy

import (
	"net/url"
	"strings"
)

// plainPath is an escaped path in the one spelling that is compared and shown: escapes that need not be
// are undone, those of a slash, a backslash, a percent sign and of control characters stay, and slashes in
// a row are one.
func plainPath(escaped string) string {
	if escaped == "" {
		return "/"
	}
	if !strings.Contains(escaped, "%") && !strings.Contains(escaped, "//") {
		return escaped
	}
	var b strings.Builder
	last := byte(0)
	for i := 0; i < len(escaped); i++ {
		c := escaped[i]
		if c == '%' {
			var text string
			c, text = unescaped(escaped[i:])
			i += len(text) - 1
			if staysEscaped(c) {
				if b.WriteString(strings.ToUpper(text)); len(text) == 1 {
					b.WriteString("25")
				}
				last = 0
				continue
			}
		}
		if c != '/' || last != '/' {
			b.WriteByte(c)
		}
		last = c
	}
	return b.String()
}

// unescaped is the byte that an escape at the beginning of a text stands for, and the escape. A percent sign
// that begins none, which no server lets through, stands for itself.
func unescaped(text string) (c byte, escape string) {
	if len(text) >= 3 {
		if plain, err := url.PathUnescape(text[:3]); err == nil && len(plain) == 1 {
			return plain[0], text[:3]
		}
	}
	return '%', "%"
}

func staysEscaped(c byte) bool { return c <= ' ' || c >= 0x7f || strings.IndexByte(`/\%?#;`, c) >= 0 }

// hasDots reports dot segments in any spelling: whoever unescapes once more than we do would end elsewhere
// than where policy looked.
func hasDots(escaped string) bool {
	if !strings.Contains(escaped, ".") && !strings.Contains(escaped, "%") {
		return false
	}
	for path := escaped; ; {
		for _, segment := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			segment, _, _ = strings.Cut(segment, ";") // parameters, as servlets take them off
			if segment == "." || segment == ".." {
				return true
			}
		}
		again := unescapedOnce(path)
		if again == path {
			return false
		}
		path = again
	}
}

// unescapedOnce undoes all escapes that are some, and lets the rest stand, as lenient readers do.
func unescapedOnce(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' {
			var escape string
			c, escape = unescaped(text[i:])
			i += len(escape) - 1
		}
		b.WriteByte(c)
	}
	return b.String()
}
