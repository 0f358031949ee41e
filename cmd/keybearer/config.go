package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/config"
)

func configCommand(w world) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Check engine.yaml, or print its JSON Schema"}
	var flags configFlags
	check := &cobra.Command{
		Use: "check [FILE]", Short: "Print everything that is wrong or doubtful in an engine.yaml",
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
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
			_, err := fmt.Fprintf(w.out, "%s: ok, %s\n", name, counted(len(cfg.Auth.Providers), "provider"))
			return err
		},
	}
	flags.add(check)
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

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
