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
	for i := 0; i < len(escaped); i++ {
		c, width := escaped[i], 1
		if c == '%' && i+2 < len(escaped) {
			if decoded, err := url.PathUnescape(escaped[i : i+3]); err == nil {
				if staysEscaped(decoded[0]) {
					b.WriteString(strings.ToUpper(escaped[i : i+3]))
					i += 2
					continue
				}
				c, width = decoded[0], 3
			}
		}
		if c == '/' && strings.HasSuffix(b.String(), "/") {
			continue
		}
		b.WriteByte(c)
		i += width - 1
	}
	return b.String()
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
		again, err := url.PathUnescape(path)
		if err != nil || again == path {
			return false
		}
		path = again
	}
}
