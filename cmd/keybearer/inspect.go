package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
)

// inspected is what is known of a provider.
type inspected struct {
	Provider string `json:"provider"`
	Type     string `json:"type,omitempty"`
	// Source is bundled, or vault for what was set up or defined here.
	Source      string            `json:"source"`
	ClientID    string            `json:"client_id,omitempty"`
	HasSecret   bool              `json:"has_client_secret"`
	Connections []shownConnection `json:"connections"`
	Definition  oauth.Definition  `json:"definition"`
}

func inspectCommand(w world) *cobra.Command {
	var f homeFlags
	c := &cobra.Command{
		Use: "inspect PROVIDER", Short: "Show a provider's definition, and what you have there", Args: oneArg("provider"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.with(c.Context(), w, func(h home) error {
				one, err := inspect(c, h, keybearer.ProviderID(args[0]))
				if err != nil {
					return err
				}
				if f.json {
					return printJSON(w.out, one)
				}
				return printInspected(w, one)
			})
		},
	}
	f.add(c)
	return c
}

func inspect(c *cobra.Command, h home, id keybearer.ProviderID) (inspected, error) {
	one := inspected{Provider: string(id), Connections: []shownConnection{}}
	all, err := h.Providers(c.Context())
	if err != nil {
		return one, err
	}
	bundled, known := catalog.Definition(string(id))
	switch i := slices.IndexFunc(all, func(p installed) bool { return p.ID == id }); {
	case i >= 0:
		one.Type, one.Source, one.ClientID, one.HasSecret, one.Definition = all[i].Type, "vault", all[i].ClientID, all[i].HasSecret, all[i].Definition
	case known:
		one.Type, one.Source, one.Definition = string(id), "bundled", bundled
	default:
		return one, keybearer.Errorf(keybearer.ProviderNotFound, "%q is not known here%s. Define one of your own: keybearer register FILE", id, didYouMean(string(id)))
	}
	routes, err := h.Routes(c.Context())
	if err != nil {
		return one, err
	}
	for _, r := range of(routes, id) {
		one.Connections = append(one.Connections, shown(&r, time.Now()))
	}
	return one, nil
}

func printInspected(w world, one inspected) error {
	text, err := yaml.Marshal(one.Definition)
	if err != nil {
		return fmt.Errorf("writing the definition: %w", err)
	}
	if _, err := fmt.Fprintf(w.out, "# %s: %s", one.Provider, one.Source); err != nil {
		return err
	}
	if one.ClientID != "" {
		_, _ = fmt.Fprintf(w.out, ", client %s", one.ClientID)
	}
	_, _ = fmt.Fprintf(w.out, ", %d connections\n", len(one.Connections))
	_, err = w.out.Write(text)
	return err
}
