package audit

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/keybearer/keybearer"
)

// maxText is how many bytes of a text are kept.
const maxText = 500

// clean bounds every text of an event and takes out what could forge a line or steer a terminal.
func clean(e keybearer.Event) keybearer.Event {
	e.Project = text(e.Project)
	e.Actor = text(e.Actor)
	e.Action = text(e.Action)
	e.User = text(e.User)
	e.Provider = text(e.Provider)
	e.Connection = text(e.Connection)
	e.Flow = text(e.Flow)
	e.Outcome = text(e.Outcome)
	e.Reason = text(e.Reason)
	e.Request.Run = text(e.Request.Run)
	e.Request.Method = text(e.Request.Method)
	e.Request.Host = text(e.Request.Host)
	e.Request.Path = text(e.Request.Path)
	return e
}

// text gives at most maxText bytes of valid UTF-8 in which every control and format character (line
// breaks, escapes, marks of writing direction) is a space. What is cut ends in "…".
func text[T ~string](s T) T {
	if len(s) <= maxText && plain(string(s)) {
		return s
	}
	var out strings.Builder
	const end = "…"
	for _, r := range string(s) {
		if control(r) {
			r = ' '
		}
		if out.Len()+utf8.RuneLen(r) > maxText-len(end) {
			out.WriteString(end)
			break
		}
		out.WriteRune(r)
	}
	return T(out.String())
}

func plain(s string) bool {
	i := 0
	for i < len(s) && ' ' <= s[i] && s[i] <= '~' { // nearly all that ever comes
		i++
	}
	for _, r := range s[i:] {
		if r == utf8.RuneError || control(r) {
			return false
		}
	}
	return true
}

func control(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}
