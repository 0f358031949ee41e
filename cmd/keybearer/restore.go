package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/engine"
)

func restoreCommand(w world) *cobra.Command {
	var flags configFlags
	var from string
	var check bool
	c := &cobra.Command{
		Use: "restore", Short: "Bring a backup into an empty database, or only check it", Args: noArgs,
		Long: "Bring a backup into the configuration's database, which must be empty and not in use. It may be of another kind than the one\n" +
			"that the backup was made of. The root keys of that time must be in the configuration, or in the data folder.\n\n" +
			"Refresh tokens that were replaced since the backup are worthless, and at some providers worse. The engine therefore tries each\n" +
			"of them once, and with care; `restore` says how many that may be.",
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" {
				return usageError{errors.New("say what to restore: --from FILE")}
			}
			cfg, err := flags.load(w)
			if err != nil {
				return err
			}
			if check {
				found, err := engine.CheckBackup(c.Context(), cfg, from)
				if err != nil {
					return err
				}
				return showBackup(w, from, found)
			}
			done, err := engine.Restore(c.Context(), cfg, from, time.Now())
			if err != nil {
				return err
			}
			return showRestored(w, done)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&from, "from", "", "the backup")
	c.Flags().BoolVar(&check, "check", false, "check the backup, and restore nothing")
	return c
}

func showRestored(w world, done engine.Restored) error {
	_, err := fmt.Fprintf(w.out, "restored as of %s:\n", done.At.Format(time.RFC3339))
	if err == nil {
		err = showContents(w, done.Contents, done.Verified)
	}
	if err == nil {
		_, err = fmt.Fprint(w.out, "API keys, accounts and connections that were revoked or removed since then are back: look through them.\n"+
			"Authorizations that were in progress, and sign-ins, are over.\n")
	}
	if err == nil {
		err = showDoubtful(w, int(done.Doubtful))
	}
	if err != nil {
		return err
	}
	return showClosed(w, done.Verified)
}

// showDoubtful says what becomes of connections whose refresh token may have been spent elsewhere.
func showDoubtful(w world, n int) error {
	if n == 0 {
		return nil
	}
	_, err := fmt.Fprintf(w.out, "%s may hold a refresh token that was replaced since. The engine tries each of them once: where the provider still\n"+
		"takes it nothing is noticed, otherwise the user is asked to consent again, and the audit has the reason.\n"+
		"Start no engine here while another one uses the same grants: they would end them for one another.\n", counted(n, "active connection"))
	return err
}
