package main

import (
	"fmt"
	"strconv"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func workerCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "worker", Short: "Add, list, check and remove the workers of a running engine: the servers that have tools",
		Long: "Add, list, check and remove the workers of a running engine. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)

	var uri string
	var mcp bool
	var timeout int
	add := &cobra.Command{
		Use: "add ID", Short: "Register a worker", Args: oneArg("worker id"),
		Long: "Register a worker: a server of the worker protocol, whose secret is taken from " + givenSecretVariable + " or asked for, or with --mcp an MCP server.",
		RunE: func(c *cobra.Command, args []string) error {
			if uri == "" {
				return usageError{fmt.Errorf("say where the worker is, with --uri")}
			}
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			create := api.WorkerCreate{ID: args[0], Type: "mcp", MCP: &api.WorkerMCPCreate{URI: uri, Timeout: &timeout}}
			if !mcp {
				shared, err := givenSecret(c.Context(), w, "the worker's secret")
				if err != nil {
					return err
				}
				create = api.WorkerCreate{ID: args[0], Type: "http", HTTP: &api.WorkerHTTPCreate{URI: uri, Secret: shared.Reveal(), Timeout: &timeout}}
			}
			made, err := remote.CreateWorker(c.Context(), create)
			if err != nil {
				return err
			}
			return tellHealth(c, w, engine, made.ID)
		},
	}
	add.Flags().StringVar(&uri, "uri", "", "the worker's base address, without /worker; of an MCP server its endpoint")
	add.Flags().BoolVar(&mcp, "mcp", false, "it is an MCP server")
	add.Flags().IntVar(&timeout, "timeout", 30, "how long one call may take, in seconds")

	list := &cobra.Command{
		Use: "list", Short: "List the workers", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			all, err := remote.Workers(c.Context())
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "ID\tTYPE\tENABLED\tOF\tADDRESS")
			for _, one := range all {
				of, at := "API", ""
				if one.Managed {
					of = "engine.yaml"
				}
				switch {
				case one.HTTP != nil:
					at = one.HTTP.URI
				case one.MCP != nil:
					at = one.MCP.URI
				}
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Type, strconv.FormatBool(one.Enabled), of, at)
			}
			return t.Flush()
		},
	}
	check := &cobra.Command{
		Use: "check ID", Short: "Ask a worker whether it is there", Args: oneArg("worker id"),
		RunE: func(c *cobra.Command, args []string) error { return tellHealth(c, w, engine, args[0]) },
	}
	remove := &cobra.Command{
		Use: "remove ID", Short: "Remove a worker; its tools are gone with it", Args: oneArg("worker id"),
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			return remote.DeleteWorker(c.Context(), keybearer.WorkerID(args[0]))
		},
	}
	c.AddCommand(add, list, check, remove)
	return c
}

// tellHealth says whether a worker answers, which is an error where it does not.
func tellHealth(c *cobra.Command, w world, engine engineFlags, id string) error {
	remote, err := engine.client(w)
	if err != nil {
		return err
	}
	health, err := remote.WorkerHealth(c.Context(), keybearer.WorkerID(id))
	switch {
	case err != nil:
		return err
	case !health.Healthy:
		return keybearer.Errorf(keybearer.Unavailable, "the worker %s does not answer: %s", id, health.Message)
	}
	_, err = fmt.Fprintf(w.out, "The worker %s answers.\n", id)
	return err
}
