package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
)

// The kinds of storage, as migrate calls them.
const (
	kindSQLite   = "sqlite"
	kindPostgres = "postgres"
)

func migrateCommand(w world) *cobra.Command {
	var flags configFlags
	var from, to string
	var undo bool
	c := &cobra.Command{
		Use: "migrate", Short: "Move everything from a SQLite file into the configuration's database", Args: noArgs,
		Long: "Move everything that an engine has in a SQLite file into the database that the configuration names, which must be empty:\n\n" +
			"    stop the engine, write storage.postgres in place of storage.sqlite in engine.yaml, keep its root keys, and\n" +
			"    keybearer migrate --from sqlite --to postgres\n" +
			"    start the engine again\n\n" +
			"The file is kept, marked as moved: an engine that is started on it by mistake refuses. `--undo` takes the mark away.\n" +
			"If it is interrupted, run it again.",
		RunE: func(c *cobra.Command, _ []string) error {
			if from == "" {
				return usageError{errors.New("say where the rows are: --from sqlite, or the path of the file")}
			}
			cfg, err := flags.load(w)
			if err != nil {
				return err
			}
			if from == kindSQLite {
				from = filepath.Join(cfg.DataDir, config.DefaultDatabase)
			}
			if undo {
				return takeBack(c, w, from)
			}
			if to == "" || to != kindOf(cfg) {
				return usageError{fmt.Errorf("the configuration has storage.%s: say --to %s if that is where everything goes, or change the configuration first",
					kindOf(cfg), kindOf(cfg))}
			}
			done, err := engine.Migrate(c.Context(), cfg, from, time.Now())
			if err != nil {
				return err
			}
			return showMigrated(w, from, done)
		},
	}
	flags.add(c)
	c.Flags().StringVar(&from, "from", "", "sqlite: the database in the data folder; or the path of a SQLite file")
	c.Flags().StringVar(&to, "to", "", "the kind of the configuration's storage, to be sure: postgres, or sqlite")
	c.Flags().BoolVar(&undo, "undo", false, "let engines run again on a SQLite file that was moved")
	return c
}

func kindOf(cfg *config.Config) string {
	switch {
	case cfg.Storage.Postgres != nil:
		return kindPostgres
	case cfg.Storage.SQLite != nil:
		return kindSQLite
	}
	return "in_memory"
}

func showMigrated(w world, from string, done engine.Migrated) error {
	_, err := fmt.Fprintf(w.out, "moved from %s to %s, and compared:\n", from, done.To)
	if err == nil {
		err = showContents(w, done.Contents, done.Verified)
	}
	if err == nil {
		_, err = fmt.Fprintf(w.out, "%s is kept, and no engine starts on it any more. Start the engine with this configuration.\n", from)
	}
	if err != nil {
		return err
	}
	return showClosed(w, done.Verified)
}

func takeBack(c *cobra.Command, w world, path string) error {
	doubtful, err := engine.TakeBack(c.Context(), path, time.Now())
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w.out, "%s is as it was before it was moved, and engines start on it again.\n", path); err != nil {
		return err
	}
	return showDoubtful(w, int(doubtful))
}
