package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/keybearer/keybearer"
)

// shownConnection is a connection in JSON.
type shownConnection struct {
	Provider   string    `json:"provider"`
	Connection string    `json:"connection"`
	Default    bool      `json:"default"`
	Kind       string    `json:"kind"`
	Status     string    `json:"status"`
	Problem    string    `json:"problem,omitempty"`
	Renewed    bool      `json:"renewed"`
	ExpiresAt  time.Time `json:"expires_at,omitzero"`
	Scopes     []string  `json:"scopes,omitempty"`
	Hosts      []string  `json:"hosts,omitempty"`
	Username   string    `json:"username,omitempty"`
	Sites      []string  `json:"sites,omitempty"`
}

// The statuses of a connection, for people and in JSON.
const (
	statusActive      = "active"
	statusExpired     = "expired"
	statusReauthorize = "reauthorize"
)

func shown(r *keybearer.Route, now time.Time) shownConnection {
	s := shownConnection{
		Provider: string(r.Ref.Provider), Connection: nameOf(r), Default: r.Default, Kind: r.Kind.String(), Status: statusOf(r, now),
		Problem: r.Problem, Renewed: r.Refreshable, ExpiresAt: r.ExpiresAt, Scopes: r.Scopes, Hosts: r.API.Hosts, Username: r.Username,
	}
	for _, site := range r.Sites {
		s.Sites = append(s.Sites, site.URL)
	}
	return s
}

func statusOf(r *keybearer.Route, now time.Time) string {
	switch {
	case r.State != keybearer.ConnectionActive:
		return statusReauthorize
	case !r.Refreshable && !r.ExpiresAt.IsZero() && !now.Before(r.ExpiresAt):
		return statusExpired
	}
	return statusActive
}

// nameOf is what people call the connection.
func nameOf(r *keybearer.Route) string {
	if r.Ref.Name == "" {
		return keybearer.DefaultConnection
	}
	return r.Ref.Name
}

// title is a connection in a sentence.
func title(r *keybearer.Route) string {
	if r.Ref.Name == "" {
		return string(r.Ref.Provider)
	}
	return string(r.Ref.Provider) + " (" + r.Ref.Name + ")"
}

// horizon is how long a connection goes on, in words.
func horizon(r *keybearer.Route, now time.Time) string {
	switch {
	case r.Refreshable:
		return "renewed"
	case r.ExpiresAt.IsZero():
		return "no end known"
	case !now.Before(r.ExpiresAt):
		return "ended " + ago(now.Sub(r.ExpiresAt)) + " ago"
	}
	return "in " + ago(r.ExpiresAt.Sub(now))
}

// ago is a time in the largest unit that says something.
func ago(d time.Duration) string {
	count := func(n int64, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d >= 48*time.Hour:
		return count(int64(d/(24*time.Hour)), "day")
	case d >= 2*time.Hour:
		return count(int64(d/time.Hour), "hour")
	case d >= 2*time.Minute:
		return count(int64(d/time.Minute), "minute")
	}
	return count(max(1, int64(d/time.Second)), "second")
}

// printJSON writes a value for programs, indented for people who look at it, too.
func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// colours paint words on a terminal, and nothing elsewhere (no-color.org).
type colours bool

func coloursFor(w world) colours {
	f, ok := w.out.(*os.File)
	return colours(ok && term.IsTerminal(int(f.Fd())) && w.getenv("NO_COLOR") == "" && w.getenv("TERM") != "dumb")
}

func (c colours) status(s string) string {
	if !c {
		return s
	}
	code := map[string]string{statusActive: "32", statusExpired: "31", statusReauthorize: "33"}[s]
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// table writes rows in columns; painted words do not count as wider than they are.
func table(out io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], width(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[i]-width(cell)+2))
			}
		}
		if _, err := fmt.Fprintln(out, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// width is how many characters are seen.
func width(cell string) int {
	n, inside := 0, false
	for _, r := range cell {
		switch {
		case r == '\x1b':
			inside = true
		case inside:
			inside = r != 'm'
		default:
			n++
		}
	}
	return n
}

// progress shows on a terminal that something goes on, until it is stopped.
func progress(ctx context.Context, w world, what string) (stop func()) {
	if !isTerminal(w.err) {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	began := time.Now()
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			_, _ = fmt.Fprintf(w.err, "\r%s… %d s  (Ctrl-C stops)", what, int(time.Since(began).Seconds()))
			select {
			case <-ctx.Done():
				_, _ = fmt.Fprint(w.err, "\r\x1b[K")
				return
			case <-tick.C:
			}
		}
	}()
	return func() { cancel(); <-done }
}

// find picks a person's connection at a provider: the named one, or where none is named the default one.
func find(routes []keybearer.Route, provider keybearer.ProviderID, connection string) (*keybearer.Route, error) {
	name, err := keybearer.ConnectionName(connection)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(routes, func(r keybearer.Route) bool {
		return r.Ref.Provider == provider && (connection == "" && r.Default || connection != "" && r.Ref.Name == name)
	})
	if at >= 0 {
		return &routes[at], nil
	}
	var there []string
	for i := range routes {
		if routes[i].Ref.Provider == provider {
			there = append(there, nameOf(&routes[i]))
		}
	}
	login := "keybearer login " + string(provider)
	switch {
	case len(there) > 0:
		return nil, keybearer.Errorf(keybearer.NotFound, "there is no connection %q at %s, only: %s. Make it: %s --connection %[1]s", connection, provider, strings.Join(there, ", "), login)
	case connection != "":
		login += " --connection " + connection
	}
	return nil, keybearer.Errorf(keybearer.NotFound, "there is no connection to %s: %s", provider, login)
}
