package doctor

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/keybearer/keybearer/atlassian"
)

// Verdict is what a finding comes to.
type Verdict string

// The verdicts.
const (
	OK      Verdict = "ok"
	Warning Verdict = "warning" // works now, and may not always
	Problem Verdict = "problem" // somebody has to do something
	Skipped Verdict = "skipped" // could not be looked at, for the reason given
)

// Finding is one thing that was looked at.
type Finding struct {
	// Check is what was looked at, in two words that stay the same: config.redirect.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Provider is the provider's id, empty where there is none.
	Provider string `json:"provider,omitempty"`
	// Site is the cloud id of the site, Product the product that was asked.
	Site    string            `json:"site,omitempty"`
	Product atlassian.Product `json:"product,omitempty"`
	// Class is what kind of failure it is, where an API refused.
	Class atlassian.Class `json:"class,omitempty"`
	// Until is the moment that the finding speaks of: when something ends, or may be tried again.
	Until time.Time `json:"until,omitzero"`
	// Saw is what was seen, Do what to do about it; sentences for people, without the last full stop.
	Saw string `json:"saw"`
	Do  string `json:"do,omitempty"`
}

// Report is all that was found, in the order of the walk.
type Report struct{ Findings []Finding }

func (r *Report) add(f Finding) { r.Findings = append(r.Findings, f) }

// Verdict is Problem if there is one, else Warning if there is one, else OK.
func (r *Report) Verdict() Verdict {
	worst := OK
	for _, f := range r.Findings {
		switch {
		case f.Verdict == Problem:
			return Problem
		case f.Verdict == Warning:
			worst = Warning
		}
	}
	return worst
}

// WriteJSON writes {"verdict": ..., "findings": [...]}. Fields may be added; those that there are keep
// their meaning.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Verdict  Verdict   `json:"verdict"`
		Findings []Finding `json:"findings"`
	}{r.Verdict(), append([]Finding{}, r.Findings...)})
}

// WriteText writes for people: a line for each finding, and below it what to do.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	provider := ""
	count := map[Verdict]int{}
	for _, f := range r.Findings {
		if f.Provider != provider {
			provider = f.Provider
			fmt.Fprintf(&b, "%s:\n", provider)
		}
		count[f.Verdict]++
		fmt.Fprintf(&b, "  %-8s %-18s %s\n", f.Verdict, f.Check, indented(f.Saw))
		if f.Do != "" {
			fmt.Fprintf(&b, "  %27s > %s\n", "", indented(f.Do))
		}
	}
	fmt.Fprintf(&b, "%d ok, %s, %s, %d skipped\n", count[OK], plural(count[Warning], "warning"), plural(count[Problem], "problem"), count[Skipped])
	_, err := io.WriteString(w, b.String())
	return err
}

// indented keeps lists of several lines below their first.
func indented(text string) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", 30))
}
