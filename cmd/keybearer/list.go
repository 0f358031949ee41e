package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
)

func listCommand(w world) *cobra.Command {
	var f homeFlags
	c := &cobra.Command{
		Use: "list", Short: "List your connections, and how they are", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.with(c.Context(), w, func(h home) error {
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				if f.json {
					return listJSON(w, routes)
				}
				return list(w, routes)
			})
		},
	}
	f.add(c)
	return c
}

func listJSON(w world, routes []keybearer.Route) error {
	all := make([]shownConnection, len(routes))
	for i := range routes {
		all[i] = shown(&routes[i], time.Now())
	}
	return printJSON(w.out, struct {
		Connections []shownConnection `json:"connections"`
	}{all})
}

func list(w world, routes []keybearer.Route) error {
	if len(routes) == 0 {
		_, err := fmt.Fprintln(w.out, "There are no connections yet. Make one: keybearer login PROVIDER, as in keybearer login github")
		return err
	}
	paint, now := coloursFor(w), time.Now()
	rows := [][]string{{"PROVIDER", "CONNECTION", "KIND", "STATUS", "ENDS", "SCOPES"}}
	for i := range routes {
		r := &routes[i]
		name := nameOf(r)
		if r.Default {
			name += " *"
		}
		rows = append(rows, []string{string(r.Ref.Provider), name, r.Kind.String(), paint.status(statusOf(r, now)), horizon(r, now), short(r.Scopes)})
	}
	if err := table(w.out, rows); err != nil {
		return err
	}
	for i := range routes {
		if p := routes[i].Problem; p != "" {
			if _, err := fmt.Fprintf(w.out, "%s: %s\n", title(&routes[i]), p); err != nil {
				return err
			}
		}
	}
	return nil
}

// short names a few scopes, and counts the rest.
func short(scopes []string) string {
	const shown = 4
	if len(scopes) <= shown {
		return strings.Join(scopes, ",")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(scopes[:shown], ","), len(scopes)-shown)
}
