package main

import (
	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/doctor"
)

func doctorCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "doctor", Short: "Look for what is wrong, and say what to do",
		Long: "Look for what is wrong, and say what to do. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)
	c.AddCommand(doctorAtlassian(w, &engine))
	return c
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
		},
	}
	c.Flags().StringVar(&wanted.Provider, "provider", "", "only this provider's id")
	c.Flags().StringVar(&wanted.User, "user", "", "look at this user's connection, too")
	c.Flags().StringArrayVar(&wanted.Scopes, "scope", nil, "a scope that apps are going to ask for; may be repeated")
	c.Flags().BoolVar(&asJSON, "json", false, "write the findings as JSON")
	return c
}
