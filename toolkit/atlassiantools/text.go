package atlassiantools

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/keybearer/keybearer/toolkit/internal/document"
)

// The bounds of what a model is shown at once, in letters.
const (
	maxDescription = 20_000
	maxComment     = 4_000
	maxLine        = 300 // a title, a name, a summary
	maxExcerpt     = 500
)

// The bounds of what a model may write. Jira's own for texts is 32,767 letters, which count with their marks.
const (
	maxIssueText = 30_000
	maxPageText  = 400_000
	maxTitle     = 255
)

// cut is a text of no more than so many letters, with a word about what is missing.
func cut(text string, letters int) string {
	if len(text) <= letters {
		return text
	}
	all := []rune(text)
	if len(all) <= letters {
		return text
	}
	return string(all[:letters]) + "… [cut here; there is more]"
}

// line is a text of Atlassian's on one line.
func line(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || unicode.Is(unicode.Bidi_Control, r) {
			return -1
		}
		return r
	}, strings.Join(strings.Fields(text), " "))
	if all := []rune(text); len(all) > maxLine {
		return string(all[:maxLine]) + "…"
	}
	return text
}

// lines are short texts of Atlassian's, as many as a model needs.
func lines(all []string) []string {
	const most = 50
	var shown []string
	for _, text := range all[:min(len(all), most)] {
		shown = append(shown, line(text))
	}
	return shown
}

// read is the text of a document, cut.
func read(doc json.RawMessage, letters int) string { return cut(document.Read(doc).Text, letters) }

// when is a time as Jira or Confluence writes it, by the second in UTC; what cannot be read is left out.
func when(text string) string {
	for _, layout := range []string{"2006-01-02T15:04:05.999Z0700", time.RFC3339Nano} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC().Format(time.RFC3339)
		}
	}
	return ""
}
