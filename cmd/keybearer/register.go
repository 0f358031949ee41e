package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/oauth"
)

// maxDefinition bounds a file of definitions, in bytes.
const maxDefinition = 1 << 20

func registerCommand(w world) *cobra.Command {
	var f homeFlags
	var force bool
	c := &cobra.Command{
		Use: "register FILE", Short: "Store providers of your own, or your own settings of a bundled one", Args: oneArg("file"),
		Long: "Store the providers of a YAML file. It has the section auth.providers of an engine.yaml, so that the same file serves\n" +
			"both: docs/configuration.md lists what can be said, ${env:NAME} stands for what is not to be written down, and\n" +
			"`keybearer inspect` prints what is in force. A provider that is there already is replaced with --force alone.",
		RunE: func(c *cobra.Command, args []string) error {
			drafts, err := readDefinitions(w, args[0])
			if err != nil {
				return err
			}
			return f.with(c.Context(), w, func(h home) error { return register(c, w, &f, h, drafts, force) })
		},
	}
	f.add(c)
	c.Flags().BoolVar(&force, "force", false, "also in place of a provider that is there")
	return c
}

// readDefinitions reads and checks a file; its problems are printed, all at once, with their places.
func readDefinitions(w world, path string) ([]keybearer.ProviderDraft, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, keybearer.Errorf(keybearer.NotFound, "reading the definitions: %w", err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxDefinition+1))
	if err != nil {
		return nil, fmt.Errorf("reading the definitions: %w", err)
	}
	cfg, problems := config.Parse(path, data, config.Source{LookupEnv: w.env, Definitions: catalog.Definition, Types: catalog.Kinds()})
	if err := problems.Print(w.err); err != nil {
		return nil, err
	}
	if problems.Failed() {
		_, _ = fmt.Fprintln(w.err, "keybearer: the file has errors; nothing was stored")
		return nil, errSaid
	}
	var drafts []keybearer.ProviderDraft
	for _, p := range cfg.Auth.Providers {
		if !p.Enabled {
			continue
		}
		d := keybearer.ProviderDraft{
			ID: keybearer.ProviderID(p.ID), Type: p.ProviderID, Description: p.Description, ClientID: p.ClientID, ClientSecret: p.ClientSecret,
		}
		if p.Overrides != nil {
			d.Settings = *p.Overrides
		}
		d.Settings = d.Settings.Override(oauth.Definition{ServerURL: p.ServerURL, Product: p.Product})
		drafts = append(drafts, d)
	}
	if len(drafts) == 0 {
		return nil, keybearer.Errorf(keybearer.BadRequest, "%s has no enabled provider: it needs a section auth, in it a list providers", path)
	}
	return drafts, nil
}

func register(c *cobra.Command, w world, f *homeFlags, h home, drafts []keybearer.ProviderDraft, force bool) error {
	there, err := h.Providers(c.Context())
	if err != nil {
		return err
	}
	taken := map[keybearer.ProviderID]bool{}
	for i := range there {
		taken[there[i].ID] = true
	}
	var names []string
	for _, d := range drafts {
		if taken[d.ID] && !force {
			return keybearer.Errorf(keybearer.Conflict, "there is a provider %s already: add --force to replace it. Its connections stay, and go to the hosts only that they were made for", d.ID)
		}
	}
	for _, d := range drafts {
		if err := h.Install(c.Context(), d); err != nil {
			return errors.Join(fmt.Errorf("storing %s: %w", d.ID, err), stored(names))
		}
		names = append(names, string(d.ID))
	}
	sentence := ""
	for _, name := range names {
		sentence += "Stored: " + name + ". Now connect an account: keybearer login " + name + "\n"
	}
	return said(w, f, sentence, map[string]any{"stored": names})
}

func stored(names []string) error {
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("what was stored before stays: %v", names)
}
