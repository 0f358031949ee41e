package main

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
)

func logCommand(w world) *cobra.Command {
	var f homeFlags
	var filter keybearer.EventFilter
	var provider string
	var since time.Duration
	c := &cobra.Command{
		Use: "log", Short: "Show who did what with which connection: each use, the latest last", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.with(c.Context(), w, func(h home) error {
				filter.Provider = keybearer.ProviderID(provider)
				if since > 0 {
					filter.Since = time.Now().Add(-since)
				}
				events, err := h.Events(c.Context(), filter)
				if err != nil {
					return err
				}
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				slices.Reverse(events)
				names := namesByID(routes)
				if f.json {
					return printJSON(w.out, map[string]any{"events": shownEvents(events, names)})
				}
				rows := [][]string{{"TIME", "WHO", "WHAT", "PROVIDER", "REQUEST", "OUTCOME"}}
				for i := range events {
					rows = append(rows, logLine(&events[i], names))
				}
				return table(w.out, rows)
			})
		},
	}
	f.add(c)
	c.Flags().IntVarP(&filter.Limit, "lines", "n", 50, "how many lines, at most 1000")
	c.Flags().StringVar(&filter.Action, "action", "", "only this action: inject, token, refresh, complete …")
	c.Flags().StringVar(&provider, "provider", "", "only this provider")
	c.Flags().DurationVar(&since, "since", 0, "only this long back, like 2h")
	return c
}

// namesByID are what people call the connections that there are.
func namesByID(routes []keybearer.Route) map[keybearer.ConnectionID]string {
	names := map[keybearer.ConnectionID]string{}
	for i := range routes {
		names[routes[i].Connection] = nameOf(&routes[i])
	}
	return names
}

// connectionIn names the connection of a line; one that is gone has its id alone.
func connectionIn(e *keybearer.RecordedEvent, names map[keybearer.ConnectionID]string) string {
	return cmp.Or(names[e.Connection], string(e.Connection))
}

func logLine(e *keybearer.RecordedEvent, names map[keybearer.ConnectionID]string) []string {
	who, what := e.Actor, e.Action
	if e.Request.Run != "" {
		who = e.Request.Run
	}
	if e.Times > 1 {
		what += fmt.Sprintf(" ×%d", e.Times)
	}
	request := ""
	if r := e.Request; r.Method != "" {
		request = fmt.Sprintf("%s %s%s", r.Method, r.Host, r.Path)
		if r.Status != 0 {
			request += fmt.Sprintf(" → %d, %d bytes", r.Status, r.Received)
		}
	}
	how := e.Outcome
	if e.Reason != "" {
		how += ": " + e.Reason
	}
	provider := cmp.Or(string(e.Provider), "-")
	if name := names[e.Connection]; name != "" && name != keybearer.DefaultConnection {
		provider += "/" + name
	}
	return []string{e.Time.Local().Format(time.DateTime), who, what, provider, cmp.Or(request, "-"), how}
}

// shownEvent is a line of the audit in JSON.
type shownEvent struct {
	Time     time.Time `json:"time"`
	Actor    string    `json:"actor"`
	Action   string    `json:"action"`
	Times    int64     `json:"times"`
	Provider string    `json:"provider,omitempty"`
	// Connection is its name, or its id if it is gone.
	Connection string `json:"connection,omitempty"`
	Outcome    string `json:"outcome"`
	Reason     string `json:"reason,omitempty"`
	Run        string `json:"run,omitempty"`
	Method     string `json:"method,omitempty"`
	Host       string `json:"host,omitempty"`
	Path       string `json:"path,omitempty"`
	Status     int64  `json:"status,omitempty"`
	Sent       int64  `json:"sent,omitempty"`
	Received   int64  `json:"received,omitempty"`
}

func shownEvents(events []keybearer.RecordedEvent, names map[keybearer.ConnectionID]string) []shownEvent {
	out := make([]shownEvent, len(events))
	for i, e := range events {
		out[i] = shownEvent{
			Time: e.Time, Actor: e.Actor, Action: e.Action, Times: e.Times, Provider: string(e.Provider), Connection: connectionIn(&e, names), Outcome: e.Outcome, Reason: e.Reason,
			Run: e.Request.Run, Method: e.Request.Method, Host: e.Request.Host, Path: e.Request.Path, Status: e.Request.Status,
			Sent: e.Request.Sent, Received: e.Request.Received,
		}
	}
	return out
}
