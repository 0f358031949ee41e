package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
)

func toolCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "tool", Short: "List and run the tools of a running engine, and keep their secrets",
		Long: "List and run the tools of a running engine, and keep the secrets that they ask for. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)
	c.AddCommand(toolListCommand(w, &engine), toolRunCommand(w, &engine), toolSecretCommand(w, &engine))
	return c
}

func toolListCommand(w world, engine *engineFlags) *cobra.Command {
	var toolkit, user string
	list := &cobra.Command{
		Use: "list", Short: "List the tools, and what they need", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			all, err := remote.Tools(c.Context(), toolkit, keybearer.UserID(user))
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "TOOL\tWORKER\tNEEDS\tMET\tDESCRIPTION")
			for i := range all {
				needs, met := "nothing", "yes"
				if r := all[i].Requirements; r != nil {
					var parts []string
					if a := r.Authorization; a != nil {
						parts = append(parts, a.ID+a.ProviderID)
					}
					for _, s := range r.Secrets {
						parts = append(parts, s.Key)
					}
					if len(parts) > 0 {
						needs = strings.Join(parts, ",")
					}
					if !r.Met && needs != "nothing" {
						met = "no"
					}
				}
				about, _, _ := strings.Cut(all[i].Description, "\n")
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", all[i].FullyQualifiedName, all[i].Worker, needs, met, about)
			}
			return t.Flush()
		},
	}
	list.Flags().StringVar(&toolkit, "toolkit", "", "only the tools of this toolkit")
	list.Flags().StringVar(&user, "user", "", "say whether this user has what each tool needs")
	return list
}

func toolRunCommand(w world, engine *engineFlags) *cobra.Command {
	var user, at string
	run := &cobra.Command{
		Use: "run TOOL", Short: "Run a tool for a user; its arguments are read as a JSON object", Args: oneArg("tool"),
		Long: "Run a tool for a user, now or --at a time. The arguments are a JSON object on the standard input; an empty one is none. What the tool gave is printed as JSON.",
		RunE: func(c *cobra.Command, args []string) error {
			if user == "" {
				return usageError{errors.New("say for whom, with --user")}
			}
			var when time.Time
			if at != "" {
				var err error
				if when, err = time.Parse(time.RFC3339, at); err != nil {
					return usageError{fmt.Errorf("--at is a time like 2026-01-31T15:04:05Z, not %q", at)}
				}
			}
			text, err := io.ReadAll(io.LimitReader(w.in, 4<<20))
			if err != nil {
				return fmt.Errorf("reading the arguments: %w", err)
			}
			var input map[string]json.RawMessage
			if len(strings.TrimSpace(string(text))) > 0 {
				if err := json.Unmarshal(text, &input); err != nil {
					return usageError{errors.New("the standard input is no JSON object")}
				}
			}
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			done, err := remote.ExecuteTool(c.Context(), args[0], keybearer.UserID(user), input, when)
			switch {
			case err != nil:
				return err
			case done.Output != nil && done.Output.Error != nil:
				return keybearer.Errorf(keybearer.BadRequest, "%s: %s (%s)", args[0], done.Output.Error.Message, done.Output.Error.Kind)
			case done.Output == nil:
				_, err = fmt.Fprintf(w.out, "%s runs at %s\n", done.ID, done.RunAt)
				return err
			case done.Output.Authorization != nil:
				return keybearer.Errorf(keybearer.PermissionDenied, "%s asks for more: open %s, then run it again", args[0], done.Output.Authorization.URL)
			}
			_, err = fmt.Fprintf(w.out, "%s\n", done.Output.Value)
			return err
		},
	}
	run.Flags().StringVar(&user, "user", "", "the user that it runs for")
	run.Flags().StringVar(&at, "at", "", "when to run it (RFC 3339); without it, now")
	return run
}

func toolSecretCommand(w world, engine *engineFlags) *cobra.Command {
	c := &cobra.Command{Use: "secret", Short: "Keep the secrets that tools ask for"}
	var description string
	set := &cobra.Command{
		Use: "set KEY", Short: "Make or replace a secret; its value is taken from " + givenSecretVariable + " or asked for", Args: oneArg("key"),
		RunE: func(c *cobra.Command, args []string) error {
			value, err := givenSecret(c.Context(), w, "the secret "+args[0])
			if err != nil {
				return err
			}
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			s, err := remote.PutToolSecret(c.Context(), args[0], value, description)
			if err == nil {
				_, err = fmt.Fprintf(w.out, "%s\n", s.ID)
			}
			return err
		},
	}
	set.Flags().StringVar(&description, "description", "", "what it is, for people")
	list := &cobra.Command{
		Use: "list", Short: "List the secrets, without their values", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			all, err := remote.ToolSecrets(c.Context())
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
			_, _ = fmt.Fprintln(t, "ID\tKEY\tUPDATED\tLAST USED\tDESCRIPTION")
			for _, s := range all {
				_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.Key, s.UpdatedAt, s.LastAccessedAt, s.Description)
			}
			return t.Flush()
		},
	}
	remove := &cobra.Command{
		Use: "remove ID", Short: "Remove a secret", Args: oneArg("secret id"),
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			return remote.DeleteToolSecret(c.Context(), args[0])
		},
	}
	c.AddCommand(set, list, remove)
	return c
}
