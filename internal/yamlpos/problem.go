package yamlpos

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Position is a place in a file. Line and Column count from 1; 0 means the file as a whole.
type Position struct {
	File         string
	Line, Column int
}

// String writes it as editors and terminals understand it: engine.yaml:12:7.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is something wrong or doubtful in a file.
type Problem struct {
	Position
	// Path is the key: auth.providers[0].client_id. Empty: the file itself.
	Path string
	// Message says what was found, what is allowed and what to do. It holds no secret.
	Message string
	// Warning: the file can be used, but someone should look at it.
	Warning bool
	// Excerpt is the source line with every value masked that might be secret. Empty: nothing to show.
	Excerpt string
}

// String is one line, without the excerpt.
func (p Problem) String() string {
	parts := []string{"error", p.Message}
	if p.Warning {
		parts[0] = "warning"
	}
	if p.Path != "" {
		parts = slices.Insert(parts, 1, p.Path)
	}
	if p.File != "" {
		parts = slices.Insert(parts, 0, p.Position.String())
	}
	return strings.Join(parts, ": ")
}

// Problems are all problems of one file, in the order of their positions once they are [Problems.Sorted].
type Problems []Problem

// Failed reports whether there is an error among them. Then the file must not be used.
func (ps Problems) Failed() bool {
	return slices.ContainsFunc(ps, func(p Problem) bool { return !p.Warning })
}

// Err is nil without errors; else its text has one line per error. Warnings are left out.
func (ps Problems) Err() error {
	var errs []error
	for _, p := range ps {
		if !p.Warning {
			errs = append(errs, errors.New(p.String()))
		}
	}
	return errors.Join(errs...)
}

// Print writes each problem on a line of its own, and below it the source line with a caret.
func (ps Problems) Print(w io.Writer) error {
	var b strings.Builder
	for _, p := range ps {
		fmt.Fprintln(&b, p)
		if p.Excerpt != "" {
			fmt.Fprintf(&b, "%5d | %s\n      | %s^\n", p.Line, p.Excerpt, strings.Repeat(" ", max(p.Column-1, 0)))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// maxProblems bounds the answer to a file that is something else altogether.
const maxProblems = 100

// Sorted brings them into the order of their positions, each once, and at most 100 of them; a last one
// says how many more there are.
func (ps Problems) Sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	ps = slices.CompactFunc(ps, func(a, b Problem) bool {
		return a.Position == b.Position && a.Path == b.Path && a.Message == b.Message
	})
	if len(ps) <= maxProblems {
		return ps
	}
	left := len(ps) - maxProblems
	failed := ps[maxProblems:].Failed()
	return append(ps[:maxProblems:maxProblems], Problem{
		Position: Position{File: ps[0].File},
		Message:  fmt.Sprintf("%d more problems are not shown", left),
		Warning:  !failed,
	})
}
