package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

func whoamiCommand(w world) *cobra.Command {
	var f homeFlags
	c := &cobra.Command{
		Use: "whoami", Short: "Tell where your connections are, and what keeps the key", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.with(c.Context(), w, func(h home) error {
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				told := struct {
					Version     string `json:"version"`
					User        string `json:"user"`
					Engine      string `json:"engine,omitempty"`
					Home        string `json:"home,omitempty"`
					Custody     string `json:"custody,omitempty"`
					Connections int    `json:"connections"`
				}{Version: version, User: string(h.User()), Engine: f.engine, Connections: len(routes)}
				if local, ok := h.(*localHome); ok {
					told.Home, told.Custody = local.vault.Dir(), string(local.vault.Custody())
				}
				if f.json {
					return printJSON(w.out, told)
				}
				rows := [][]string{{"version", told.Version}, {"user", told.User}}
				for _, pair := range [][]string{{"engine", told.Engine}, {"home", told.Home}, {"key", told.Custody}} {
					if pair[1] != "" {
						rows = append(rows, pair)
					}
				}
				return table(w.out, append(rows, []string{"connections", fmt.Sprint(told.Connections)}))
			})
		},
	}
	f.add(c)
	return c
}
