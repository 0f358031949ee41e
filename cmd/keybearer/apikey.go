package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func apikeyCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "apikey", Short: "Create, list and revoke API keys of a running engine",
		Long: "Create, list and revoke API keys of a running engine. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)

	var name, scope, users string
	var providers []string
	create := &cobra.Command{
		Use: "create", Short: "Make an API key and print it once", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if name == "" {
				return usageError{errors.New("give the key a --name, so that people know what it is for")}
			}
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			key, text, err := remote.CreateKey(c.Context(), api.KeyCreate{Name: name, Scope: scope, Providers: providers, Users: users})
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(w.out, "%s\n", text.Reveal())
			if err == nil {
				_, err = fmt.Fprintf(w.err, "The key %s (%s) is shown this once. Revoke it with: keybearer apikey revoke %s\n", key.Name, key.ID, key.ID)
			}
			return err
		},
	}
	create.Flags().StringVar(&name, "name", "", "what people and the audit call the key")
	create.Flags().StringVar(&scope, "scope", keybearer.ScopeApp, "app: authorize users and get their tokens; admin: everything")
	create.Flags().StringArrayVar(&providers, "provider", nil, "limit the key to this provider; may be repeated")
	create.Flags().StringVar(&users, "users", "", "limit the key to user ids that match, like '*@example.com'")

	list := &cobra.Command{
		Use: "list", Short: "List the API keys", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			keys, err := remote.Keys(c.Context())
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "ID\tNAME\tSCOPE\tENDS IN\tPROVIDERS\tUSERS\tSTATE")
			for _, k := range keys {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Scope, k.Hint, orAll(strings.Join(k.Providers, ",")), orAll(k.Users), state(k))
			}
			return t.Flush()
		},
	}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End an API key", Args: oneArg("key id"),
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			return remote.RevokeKey(c.Context(), args[0])
		},
	}
	c.AddCommand(create, list, revoke)
	return c
}

func orAll(limit string) string {
	if limit == "" {
		return "all"
	}
	return limit
}

func state(k api.Key) string {
	if k.RevokedAt.IsZero() {
		return "valid"
	}
	return "revoked"
}
