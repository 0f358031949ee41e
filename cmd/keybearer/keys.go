package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/api"
)

func keysCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "List and rotate the keys that seal what a running engine stores",
		Long: "List and rotate the keys that seal what a running engine stores. Root keys are the operator's (security.root_keys);\n" +
			"they seal data keys, which are kept in the database and seal the values. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)

	var asJSON bool
	list := &cobra.Command{
		Use: "list", Short: "List the keys, and how much is sealed with each", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			keys, err := remote.SealingKeys(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(w.out).Encode(keys)
			}
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "ID\tKIND\tDEFAULT\tSEALED WITH\tSINCE\tVALUES")
			for _, k := range keys {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\n", k.ID, k.Kind, defaultOf(k), orNone(k.SealedWith), since(k), k.Values)
			}
			return t.Flush()
		},
	}
	list.Flags().BoolVar(&asJSON, "json", false, "as JSON, for programs")

	rotate := &cobra.Command{
		Use: "rotate", Short: "Make a new data key, and seal everything with it", Args: noArgs,
		Long: "Make a new data key. It seals from now on, and the engine seals what is stored anew in the background, while it\n" +
			"serves; a restart takes that up again. Former data keys are removed when nothing is sealed with them any more.\n" +
			"To change a root key, make another one the default in security.root_keys instead, and start the engine.",
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			key, err := remote.RotateKeys(c.Context())
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w.out, "%s seals from now on. What is stored is being sealed anew; see how far it is with: keybearer keys list\n", key.ID)
			return err
		},
	}
	c.AddCommand(list, rotate)
	return c
}

func defaultOf(k api.SealingKey) string {
	if k.Default {
		return "default"
	}
	return "-"
}

func since(k api.SealingKey) string {
	if k.CreatedAt.IsZero() {
		return "-"
	}
	return k.CreatedAt.Format(time.RFC3339)
}

func orNone(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
