package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

func accountCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "account", Short: "Manage who can sign in at a running engine's pages",
		Long: "Manage who can sign in at the pages of a running engine. With the built-in verifier a person signs in, under the user id\n" +
			"that the app uses, to prove who has consented. The engine is asked with the key in " + keyVariable + ".",
	}
	var engine engineFlags
	engine.add(c)
	var admin bool
	add := &cobra.Command{
		Use: "add USER", Short: "Make an account, or change its password", Args: oneArg("user id"),
		Long: "Make an account, or change its password. The password is asked for, or read from the\nstandard input when that is no terminal.",
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			password, err := readPassword(c.Context(), w)
			if err != nil {
				return err
			}
			_, err = remote.PutAccount(c.Context(), keybearer.UserID(args[0]), password, admin)
			if err == nil {
				_, err = fmt.Fprintf(w.out, "%s can sign in\n", args[0])
			}
			return err
		},
	}
	add.Flags().BoolVar(&admin, "admin", false, "make it an admin's account")
	list := &cobra.Command{
		Use: "list", Short: "List the accounts", Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			accounts, err := remote.Accounts(c.Context())
			if err != nil {
				return err
			}
			for _, a := range accounts {
				role := "user"
				if a.Admin {
					role = "admin"
				}
				if _, err := fmt.Fprintf(w.out, "%s\t%s\n", a.UserID, role); err != nil {
					return err
				}
			}
			return nil
		},
	}
	remove := &cobra.Command{
		Use: "remove USER", Short: "End an account and its sessions", Args: oneArg("user id"),
		RunE: func(c *cobra.Command, args []string) error {
			remote, err := engine.client(w)
			if err != nil {
				return err
			}
			return remote.DeleteAccount(c.Context(), keybearer.UserID(args[0]))
		},
	}
	c.AddCommand(add, list, remove)
	return c
}

// readPassword asks for a password without showing it, or reads one that is piped in.
func readPassword(ctx context.Context, w world) (secret.String, error) {
	return readSecret(ctx, w, "password")
}

// readSecret asks for what is not to be shown, or reads it from the first line that is piped in.
func readSecret(ctx context.Context, w world, what string) (secret.String, error) {
	var line string
	var err error
	if f, ok := w.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprintf(w.err, "%s%s: ", strings.ToUpper(what[:1]), what[1:])
		var typed []byte
		typed, err = typePassword(ctx, int(f.Fd()))
		line = string(typed)
		_, _ = fmt.Fprintln(w.err)
	} else {
		line, err = readLine(w.in) // and no further: another question may follow
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return secret.String{}, fmt.Errorf("reading the %s: %w", what, err)
	}
	text := secret.New(strings.TrimRight(line, "\r\n"))
	if text.IsZero() {
		return secret.String{}, usageError{fmt.Errorf("no %s came: type one, or give it as the first line of the standard input", what)}
	}
	return text, nil
}

// typePassword reads a line from a terminal that does not show it. Ctrl-C ends the program there and
// then, with the terminal as it was: the read itself cannot be interrupted.
func typePassword(ctx context.Context, terminal int) ([]byte, error) {
	before, err := term.GetState(terminal)
	if err != nil {
		return nil, err
	}
	typed, done := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		<-typed.Done()
		if ctx.Err() != nil {
			_ = term.Restore(terminal, before)
			os.Exit(130) // what shells say of a program that Ctrl-C ended
		}
	})
	defer watching.Wait()
	defer done()
	return term.ReadPassword(terminal)
}
