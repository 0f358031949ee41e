package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

func backupCommand(w world) *cobra.Command {
	var flags configFlags
	var out string
	var force bool
	c := &cobra.Command{
		Use: "backup", Short: "Write a backup of the database, while the engine serves, and check it", Args: noArgs,
		Long: "Write a backup of the configuration's database into a new file, as of one moment, while engines go on serving, and check it:\n" +
			"open the file, compare it, and open every sealed value with the root keys. The root keys are not in it: keep them apart.\n\n" +
			"Whatever the database is, the backup is a SQLite file. `keybearer restore` brings it back; docs/backup.md has the whole story.",
		RunE: func(c *cobra.Command, _ []string) error {
			if out == "" {
				return usageError{errors.New("say where the backup goes: --out FILE")}
			}
			cfg, err := flags.load(w)
			if err != nil {
				return err
			}
			found, err := engine.Backup(c.Context(), cfg, engine.BackupOptions{Path: out, Replace: force, Version: version, Now: time.Now()})
			if err != nil {
				return err
			}
			return showBackup(w, out, found)
		},
	}
	flags.add(c)
	c.Flags().StringVarP(&out, "out", "o", "", "the file to write")
	c.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return c
}

// showBackup prints what is in a backup. Values that do not open make it fail.
func showBackup(w world, path string, found engine.Checked) error {
	if _, err := fmt.Fprintf(w.out, "%s: a backup as of %s, checked\n", path, found.At.Format(time.RFC3339)); err != nil {
		return err
	}
	if err := showContents(w, found.Contents, found.Verified); err != nil {
		return err
	}
	return showClosed(w, found.Verified)
}

func showContents(w world, contents sqlstore.Contents, v engine.Verified) error {
	t := tabwriter.NewWriter(w.out, 0, 0, 2, ' ', 0)
	for _, name := range contents.Tables() {
		line := fmt.Sprintf("  %s\t%s", name, counted(int(contents[name].Rows), "row"))
		if n := v.Opened[name]; n > 0 {
			line += "\t" + counted(n, "sealed value") + " opened"
		}
		_, _ = fmt.Fprintln(t, line)
	}
	return t.Flush()
}

// showClosed names the values that do not open, and is an error if there are any.
func showClosed(w world, v engine.Verified) error {
	for _, value := range v.Closed {
		_, _ = fmt.Fprintf(w.err, "keybearer: %s %s: the sealed value does not open: %v\n", value.Table, value.Row, value.Err)
	}
	if v.NotOpened == 0 {
		return nil
	}
	_, _ = fmt.Fprintf(w.err, "keybearer: %s not open: these rows were changed, and are of no use; everything else is. "+
		"The users of such connections have to consent again\n", counted(v.NotOpened, "sealed value")+map[bool]string{true: " does", false: " do"}[v.NotOpened == 1])
	return errSaid
}
