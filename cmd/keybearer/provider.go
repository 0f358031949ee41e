package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/catalog"
)

func providerCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "provider", Short: "Add, list, check and remove providers of a running engine",
		Long: "Add, list, check and remove providers of a running engine. The engine is asked with the key in " + keyVariable + ".\n" +
			"Providers of engine.yaml are listed and checked, too, and changed there.",
	}
	var engine engineFlags
	engine.add(c)
	c.AddCommand(providerAdd(w, &engine), providerList(w, &engine), providerCheck(w, &engine), providerRemove(w, &engine))
	return c
}

func providerAdd(w world, engine *engineFlags) *cobra.Command {
	var p api.ProviderCreate
	var server, product string
	var public bool
	c := &cobra.Command{
		Use: "add ID", Short: "Install a provider of a bundled type", Args: oneArg("provider id"),
		Long: "Install a provider of a bundled type: " + strings.Join(catalog.Kinds(), ", ") + ".\n" +
			"The client secret is taken from " + givenSecretVariable + ", asked for, or read from the standard input when that is no terminal.\n" +
			"Servers that are described in full come with engine.yaml or POST /v1/admin/auth_providers.",
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			p.ID = args[0]
			if !public && p.OAuth2.ClientID != "" {
				text, err := givenSecret(c.Context(), w, "client secret")
				if err != nil {
					return err
				}
				p.OAuth2.ClientSecret = text.Reveal()
			}
			if server != "" {
				p.OAuth2.ServerURL = &server
			}
			if product != "" {
				p.OAuth2.Product = &product
			}
			made, err := remote.CreateProvider(c.Context(), p)
			switch {
			case err != nil:
			case p.OAuth2.ClientID == "":
				_, err = fmt.Fprintf(w.out, "%s is installed for tokens and service accounts: keybearer connection add USER --provider %s --kind …\n", made.ID, made.ID)
			default:
				_, err = fmt.Fprintf(w.out, "%s is installed. Register its redirect URI there, to the letter:\n%s\n", made.ID, made.OAuth2.RedirectURI)
			}
			return err
		},
	}
	c.Flags().StringVar(&p.ProviderID, "type", "", "the bundled type, like atlassian-data-center")
	c.Flags().StringVar(&p.OAuth2.ClientID, "client-id", "", "the client id that the provider gave out (default: none; then only tokens and service accounts can be stored)")
	c.Flags().StringVar(&server, "server-url", "", "for a server of one's own: its base URL with the context path")
	c.Flags().StringVar(&product, "product", "", "for atlassian-data-center: jira or confluence")
	c.Flags().StringVar(&p.Description, "description", "", "a description for people")
	c.Flags().BoolVar(&public, "public", false, "a public client, which has no secret")
	return c
}

func providerList(w world, engine *engineFlags) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the providers", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			all, err := remote.Providers(c.Context())
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "ID\tTYPE\tSTATE\tFROM\tREDIRECT URI")
			for _, p := range all {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.ID, typeOf(&p), p.Status, writtenIn(&p), p.OAuth2.RedirectURI)
			}
			return t.Flush()
		},
	}
}

// typeOf is the bundled type, with its product.
func typeOf(p *api.Provider) string {
	switch {
	case p.ProviderID == "":
		return "custom"
	case p.OAuth2.Product != nil:
		return p.ProviderID + " (" + *p.OAuth2.Product + ")"
	}
	return p.ProviderID
}

func writtenIn(p *api.Provider) string {
	if p.Binding.Type == string(keybearer.FromFile) {
		return "engine.yaml"
	}
	return "API"
}

func providerRemove(w world, engine *engineFlags) *cobra.Command {
	return &cobra.Command{
		Use: "remove ID", Short: "Uninstall a provider; its connections stay stored", Args: oneArg("provider id"),
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			_, err = remote.DeleteProvider(c.Context(), keybearer.ProviderID(args[0]))
			return err
		},
	}
}

func providerCheck(w world, engine *engineFlags) *cobra.Command {
	return &cobra.Command{
		Use: "check ID", Short: "Look at a Data Center provider's server before a browser does", Args: oneArg("provider id"),
		Long: "Look at a Data Center provider's server, from this machine and without any credentials: whether it is there, which\n" +
			"product and version it is, and whether its OAuth 2.0 provider is on. A fault is told apart from the others that show\n" +
			"as the same 404: an old version, a base URL without https, a missing context path.",
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			p, err := remote.Provider(c.Context(), keybearer.ProviderID(args[0]))
			if err != nil {
				return err
			}
			product, ok := atlassian.DataCenterProduct(p.ProviderID, valueOf(p.OAuth2.Product))
			if !ok {
				return keybearer.Errorf(keybearer.BadRequest, "provider %s is not of Data Center (its type is %s): there is no server to look at", p.ID, typeOf(&p))
			}
			look := atlassian.Preflight{ServerURL: valueOf(p.OAuth2.ServerURL), Product: product}
			if p.OAuth2.ClientID != "" { // else no browser ever comes back
				look.RedirectURI = p.OAuth2.RedirectURI
			}
			found := look.Run(c.Context())
			return tellServer(w, p.ID, valueOf(p.OAuth2.ServerURL), &found)
		},
	}
}

// tellServer prints what was found; a fault ends the command with the code of a provider that refuses.
func tellServer(w world, id, url string, found *atlassian.Server) error {
	if found.Version != "" {
		if _, err := fmt.Fprintf(w.out, "%s: %s %s at %s\n", id, found.Product, found.Version, url); err != nil {
			return err
		}
	}
	for _, f := range found.Findings {
		word := "fault"
		if f.Doubt {
			word = "doubt"
		}
		if _, err := fmt.Fprintf(w.out, "%s: %s: %s\n", word, f.Fault, f.Says); err != nil {
			return err
		}
	}
	if !found.Usable() {
		return keybearer.Errorf(keybearer.ProviderRefused, "provider %s cannot be used as it is", id)
	}
	if len(found.Findings) == 0 {
		_, err := fmt.Fprintf(w.out, "%s: nothing stands in the way\n", id)
		return err
	}
	return nil
}

func valueOf(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
