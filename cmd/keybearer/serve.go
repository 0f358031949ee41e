package main

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/internal/fault"
)

// configFlags are how a command finds its configuration.
type configFlags struct{ file, envFile, data string }

func (f *configFlags) add(c *cobra.Command) {
	c.Flags().StringVarP(&f.file, "config", "c", "", "the engine.yaml to use (default: the first one in the usual places; none: safe defaults)")
	c.Flags().StringVarP(&f.envFile, "env-file", "e", "", "a file of NAME=value lines for ${env:NAME} (default: .env here, if there is one)")
	c.Flags().StringVar(&f.data, "data", "", "the folder for the database and generated keys (default: storage.data, else ~/.keybearer)")
}

func (f *configFlags) source(w world) config.Source {
	return config.Source{
		Path: f.file, EnvFile: f.envFile, DataDir: f.data, LookupEnv: w.env,
		Definitions: catalog.Definition, Types: catalog.Kinds(),
	}
}

// load reads the configuration; problems are printed, and errors end the command.
func (f *configFlags) load(w world) (*config.Config, error) {
	cfg, problems := config.Load(f.source(w))
	if err := problems.Print(w.err); err != nil {
		return nil, err
	}
	if problems.Failed() {
		_, _ = fmt.Fprintln(w.err, "keybearer: the configuration has errors; nothing was started")
		return nil, errSaid
	}
	return cfg, nil
}

func serveCommand(w world) *cobra.Command {
	var flags configFlags
	c := &cobra.Command{
		Use: "serve", Short: "Run the engine", Args: noArgs,
		Long: "Run the engine: its API and the pages that users see.\n\n" +
			"Without any engine.yaml it starts on safe defaults: SQLite in the data folder, a generated root key, and an API key\n" +
			"and an admin password that are printed once. Set KEYBEARER_API_KEY and KEYBEARER_ADMIN_PASSWORD to choose them.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := flags.load(w)
			if err != nil {
				return err
			}
			collectLess(w)
			e, err := engine.Start(c.Context(), engine.Options{
				Config: cfg, Log: newLog(w.err, cfg.Telemetry), Announce: w.out, Version: version, Now: fault.Now,
			})
			if err != nil {
				return err
			}
			return e.Run(c.Context())
		},
	}
	flags.add(c)
	return c
}

// newLog makes the log that telemetry.logging describes.
func newLog(to io.Writer, t config.Telemetry) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(t.Logging.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(to, options)
	if t.Logging.Encoding == "json" {
		handler = slog.NewJSONHandler(to, options)
	}
	log := slog.New(handler)
	if t.Environment != "" {
		log = log.With("environment", t.Environment)
	}
	return log
}
