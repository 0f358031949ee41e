package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
)

func logoutCommand(w world) *cobra.Command {
	var f homeFlags
	var connection string
	c := &cobra.Command{
		Use: "logout PROVIDER", Short: "Disconnect one connection, and revoke it at the provider where that is possible", Args: oneArg("provider"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.with(c.Context(), w, func(h home) error {
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				r, err := find(routes, keybearer.ProviderID(args[0]), connection)
				if err != nil {
					return err
				}
				if err := h.Disconnect(c.Context(), r.Connection); err != nil {
					return err
				}
				return said(w, &f, "Disconnected: "+title(r)+"\n", map[string]any{"disconnected": []shownName{nameIn(r)}})
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&connection, "connection", "", "which of several connections (default: the default one)")
	return c
}

func setDefaultCommand(w world) *cobra.Command {
	var f homeFlags
	c := &cobra.Command{
		Use: "set-default PROVIDER CONNECTION", Short: "Choose which of several connections is used where none is named",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usageError{fmt.Errorf("give a provider and the name of a connection. See `%s --help`", c.CommandPath())}
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			return f.with(c.Context(), w, func(h home) error {
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				r, err := find(routes, keybearer.ProviderID(args[0]), args[1])
				if err != nil {
					return err
				}
				if err := h.SetDefault(c.Context(), r.Ref); err != nil {
					return err
				}
				return said(w, &f, title(r)+" is the default now\n", map[string]any{"default": nameIn(r)})
			})
		},
	}
	f.add(c)
	return c
}

// revokeCommand ends everything at a provider, with the app's own credentials; removeCommand forgets a provider's
// definition, too.
func revokeCommand(w world) *cobra.Command {
	var f homeFlags
	c := &cobra.Command{
		Use: "revoke PROVIDER", Short: "Disconnect all connections of a provider, and forget the app's client credentials", Args: oneArg("provider"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.with(c.Context(), w, func(h home) error { return forget(c, w, &f, h, keybearer.ProviderID(args[0])) })
		},
	}
	f.add(c)
	return c
}

func removeCommand(w world) *cobra.Command {
	var f homeFlags
	var force bool
	c := &cobra.Command{
		Use: "remove PROVIDER", Short: "Remove a provider: its connections, its client, and a definition of your own", Args: oneArg("provider"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.with(c.Context(), w, func(h home) error {
				provider := keybearer.ProviderID(args[0])
				routes, err := h.Routes(c.Context())
				if err != nil {
					return err
				}
				if n := len(of(routes, provider)); n > 0 && !force {
					return keybearer.Errorf(keybearer.Conflict, "%s has %d connections, which go with it: add --force, or log out first", provider, n)
				}
				return forget(c, w, &f, h, provider)
			})
		},
	}
	f.add(c)
	c.Flags().BoolVar(&force, "force", false, "though there are connections")
	return c
}

// forget disconnects everything at a provider, and uninstalls it.
func forget(c *cobra.Command, w world, f *homeFlags, h home, provider keybearer.ProviderID) error {
	routes, err := h.Routes(c.Context())
	if err != nil {
		return err
	}
	var gone []shownName
	for _, r := range of(routes, provider) {
		if err := h.Disconnect(c.Context(), r.Connection); err != nil && !errors.Is(err, keybearer.NotFound) {
			return err
		}
		gone = append(gone, nameIn(&r))
	}
	err = h.Uninstall(c.Context(), provider)
	if errors.Is(err, keybearer.NotFound) && len(gone) > 0 {
		err = nil
	}
	if err != nil {
		return err
	}
	return said(w, f, fmt.Sprintf("Removed: %s, with %d connections\n", provider, len(gone)), map[string]any{"removed": provider, "disconnected": gone})
}

func of(routes []keybearer.Route, provider keybearer.ProviderID) []keybearer.Route {
	return slices.DeleteFunc(slices.Clone(routes), func(r keybearer.Route) bool { return r.Ref.Provider != provider })
}

// shownName addresses a connection in JSON.
type shownName struct {
	Provider   string `json:"provider"`
	Connection string `json:"connection"`
}

func nameIn(r *keybearer.Route) shownName { return shownName{string(r.Ref.Provider), nameOf(r)} }

// said prints a sentence, or what it says in JSON.
func said(w world, f *homeFlags, sentence string, value any) error {
	if f.json {
		return printJSON(w.out, value)
	}
	_, err := fmt.Fprint(w.out, sentence)
	return err
}
