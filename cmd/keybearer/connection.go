package main

import (
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func connectionCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "connection", Short: "Store, list and remove connections of a running engine",
		Long: "Store, list and remove connections of a running engine. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)
	c.AddCommand(connectionAdd(w, &engine), connectionList(w, &engine), connectionRemove(w, &engine))
	return c
}

func connectionAdd(w world, engine *engineFlags) *cobra.Command {
	var given keybearer.Credential
	var provider, kind, expires string
	c := &cobra.Command{
		Use: "add USER", Short: "Store a token or a service account's credential as a user's connection", Args: oneArg("user id"),
		Long: "Store a token or a service account's credential as a user's connection, in place of the one that is there.\n" +
			"The secret is taken from " + givenSecretVariable + ", asked for, or read from the standard input when that is no terminal.",
		RunE: func(c *cobra.Command, args []string) error {
			if provider == "" || kind == "" {
				return usageError{errors.New("give a --provider and a --kind: " + kinds())}
			}
			given.Kind = keybearer.ConnectionKind(kind)
			var err error
			if given.ExpiresAt, err = endOf(expires); err != nil {
				return err
			}
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			if given.Secret, err = givenSecret(c.Context(), w, "secret"); err != nil {
				return err
			}
			stored, err := remote.PutConnection(c.Context(), keybearer.Ref{User: keybearer.UserID(args[0]), Provider: keybearer.ProviderID(provider)}, given)
			if err == nil {
				_, err = fmt.Fprintf(w.out, "%s is connected to %s by %s (%s)\n", stored.UserID, stored.ProviderID, stored.Kind, stored.ID)
			}
			return err
		},
	}
	c.Flags().StringVar(&provider, "provider", "", "the provider's id")
	c.Flags().StringVar(&kind, "kind", "", "what it is: "+kinds())
	c.Flags().StringVar(&given.Username, "username", "", "with an API token: the e-mail address of its account")
	c.Flags().StringVar(&given.SiteURL, "site", "", "with an API token of Atlassian Cloud: the site that it is for, like https://yoursite.atlassian.net")
	c.Flags().StringVar(&given.ClientID, "client-id", "", "with a service account: its client id")
	c.Flags().StringArrayVar(&given.Scopes, "scope", nil, "a scope that the token has, or the service account asks for; may be repeated")
	c.Flags().StringVar(&expires, "expires", "", "when the token ends, like 2027-03-31, or 2027-03-31T12:00:00Z")
	return c
}

func kinds() string {
	var names []string
	for _, k := range keybearer.ConnectionKinds() {
		names = append(names, k.String())
	}
	return strings.Join(names, ", ")
}

// endOf reads a day, whose beginning counts, or a moment.
func endOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usageError{fmt.Errorf("--expires %q is not a day: write it like 2027-03-31", text)}
}

func connectionList(w world, engine *engineFlags) *cobra.Command {
	var filter keybearer.ConnectionFilter
	var user, provider string
	c := &cobra.Command{
		Use: "list", Short: "List the connections", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			filter.User, filter.Provider, filter.Limit = keybearer.UserID(user), keybearer.ProviderID(provider), 100
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "ID\tUSER\tPROVIDER\tKIND\tSTATE\tENDS\tSCOPES")
			for {
				page, err := remote.Connections(c.Context(), filter)
				if err != nil {
					return err
				}
				for _, one := range page.Items {
					_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", one.ID, one.UserID, one.ProviderID, one.Kind, one.ConnectionStatus, ends(&one), strings.Join(one.Scopes, ","))
				}
				if filter.Offset += len(page.Items); len(page.Items) == 0 || filter.Offset >= page.TotalCount {
					return t.Flush()
				}
			}
		},
	}
	c.Flags().StringVar(&user, "user", "", "only this user's")
	c.Flags().StringVar(&provider, "provider", "", "only those at this provider")
	return c
}

// ends is when a token ends that nobody renews; one of a consent or a service account is renewed.
func ends(c *api.Connection) string {
	switch {
	case c.Kind == keybearer.Consented.String() || c.Kind == keybearer.ServiceAccount.String():
		return "renewed"
	case c.ExpiresAt.IsZero():
		return "unknown"
	}
	return c.ExpiresAt.UTC().Format(time.DateOnly)
}

func connectionRemove(w world, engine *engineFlags) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Disconnect: forget a connection, and revoke it at the provider where that is possible", Args: oneArg("connection id"),
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			return remote.Disconnect(c.Context(), keybearer.ConnectionID(args[0]))
		},
	}
}
