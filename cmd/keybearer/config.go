package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/internal/config"
)

func configCommand(w world) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check engine.yaml, or print its JSON Schema"}
	var flags configFlags
	var online bool
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Print everything that is wrong or doubtful in an engine.yaml",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				flags.file = args[0]
			}
			cfg, problems := config.Load(flags.source(w))
			if err := problems.Print(w.out); err != nil {
				return err
			}
			if problems.Failed() {
				return errSaid
			}
			name := "the defaults (there is no engine.yaml)"
			if cfg.File != "" {
				name = cfg.File
			}
			if _, err := fmt.Fprintf(w.out, "%s: ok, %s\n", name, counted(len(cfg.Auth.Providers), "provider")); err != nil || !online {
				return err
			}
			return checkServers(c.Context(), w, cfg)
		},
	}
	flags.add(check)
	check.Flags().BoolVar(&online, "online", false, "look at the Data Center servers, too, from this machine and without credentials")
	schema := &cobra.Command{
		Use: "schema", Short: "Print the JSON Schema of engine.yaml, for editors", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := w.out.Write(config.Schema())
			return err
		},
	}
	c.AddCommand(check, schema)
	return c
}

// checkServers looks at the Data Center servers of a configuration, and ends with the first of their faults.
func checkServers(ctx context.Context, w world, cfg *config.Config) error {
	var failure error
	for i := range cfg.Auth.Providers {
		p := &cfg.Auth.Providers[i]
		product, ok := atlassian.DataCenterProduct(p.ProviderID, p.Product)
		if !ok || !p.Enabled {
			continue
		}
		found := atlassian.Preflight{ServerURL: p.Definition.ServerURL, Product: product}.Run(ctx)
		failure = cmp.Or(failure, tellServer(w, p.ID, p.Definition.ServerURL, &found))
	}
	return failure
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
