package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/secret"
)

func rekeyCommand(w world) *cobra.Command {
	var f homeFlags
	var to string
	c := &cobra.Command{
		Use: "rekey", Short: "Give the vault a new key, or another place for it", Args: noArgs,
		Long: "Give the vault on this machine a new root key, kept in the operating system's keyring, under a passphrase, in the\n" +
			"environment (the new one is taken from " + vault.NewKeyVariable + ") or in a file; without --to where it is kept now. Everything is\n" +
			"sealed anew. It may be broken off at any time: the vault opens afterwards, and the command can be given again.",
		RunE: func(c *cobra.Command, _ []string) error {
			if f.remote() {
				return usageError{errors.New("a running engine has other keys: keybearer keys rotate")}
			}
			custody := vault.Custody("")
			if to != "" {
				var err error
				if custody, err = vault.ParseCustody(to); err != nil {
					return err
				}
			}
			return f.with(c.Context(), w, func(h home) error {
				v := h.(*localHome).vault
				if err := v.Rekey(c.Context(), custody); err != nil {
					return err
				}
				return said(w, &f, fmt.Sprintf("The vault has a new key, kept in: %s\n", v.Custody()), map[string]any{"custody": v.Custody()})
			})
		},
	}
	f.add(c)
	c.Flags().StringVar(&to, "to", "", "keyring, passphrase, environment or file")
	return c
}

// askPassphrase asks without showing what is typed. A prompt that asks for a new one is asked twice.
func askPassphrase(w world) func(context.Context, string) (secret.String, error) {
	return func(ctx context.Context, prompt string) (secret.String, error) {
		first, err := readSecret(ctx, w, prompt)
		if err != nil || !strings.Contains(prompt, "new") || !isTerminal(w.in) {
			return first, err
		}
		again, err := readSecret(ctx, w, prompt+", again")
		if err == nil && !again.Equal(first) {
			err = keybearer.Errorf(keybearer.BadRequest, "the two are not the same: nothing was changed, try again")
		}
		return first, err
	}
}
