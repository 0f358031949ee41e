package main

import (
	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/doctor"
)

func doctorCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, and say what to do",
		Long: "Look for what is wrong, and say what to do: with the vault on this machine, its key, your connections and logins; with\n" +
			"--user also with that user's at the engine. `keybearer doctor atlassian` looks at a running engine's Atlassian providers.\n" +
			"The engine is asked with the key in " + keyVariable + ". It ends with 1 if a problem was found.",
		Args: noSuchCommand,
	}
	var engine engineFlags
	var f homeFlags
	c.RunE = func(c *cobra.Command, _ []string) error {
		f.engine = engine.url
		report, err := examine(c.Context(), w, &f)
		if err != nil {
			return err
		}
		return writeReport(w, &report, f.json)
	}
	c.Flags().StringVar(&f.user, "user", "", "with --engine: whose connections (default: "+userVariable+")")
	c.Flags().BoolVar(&f.json, "json", false, "write the findings as JSON")
	engine.add(c)
	c.AddCommand(doctorAtlassian(w, &engine))
	return c
}

// writeReport writes what was found; a problem ends the command with 1.
func writeReport(w world, report *doctor.Report, asJSON bool) error {
	write := report.WriteText
	if asJSON {
		write = report.WriteJSON
	}
	if err := write(w.out); err != nil {
		return err
	}
	if report.Verdict() == doctor.Problem {
		return errSaid
	}
	return nil
}

func doctorAtlassian(w world, engine *engineFlags) *cobra.Command {
	var wanted doctor.Wanted
	var asJSON bool
	c := &cobra.Command{
		Use: "atlassian", Short: "Look at the Atlassian providers of a running engine, and at a user's connection to them", Args: noArgs,
		Long: "Look at the Atlassian providers of a running engine: settings, the authorize page or the server, and scopes. With --user\n" +
			"also at that user's connection: the token is asked for, its sites, a small question to each product at each site, what is\n" +
			"left of the rate, and how long all of it lasts. Atlassian is asked from this machine, and nothing is changed there, except\n" +
			"that a token which is refused is renewed, as apps have it renewed.\n\n" +
			"It ends with 1 if a problem was found, and with 0 if not, whatever the warnings.",
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			report, err := doctor.Doctor{Engine: remote}.Atlassian(c.Context(), wanted)
			if err != nil {
				return err
			}
			return writeReport(w, &report, asJSON)
		},
	}
	c.Flags().StringVar(&wanted.Provider, "provider", "", "only this provider's id")
	c.Flags().StringVar(&wanted.User, "user", "", "look at this user's connection, too")
	c.Flags().StringArrayVar(&wanted.Scopes, "scope", nil, "a scope that apps are going to ask for; may be repeated")
	c.Flags().BoolVar(&asJSON, "json", false, "write the findings as JSON")
	return c
}
