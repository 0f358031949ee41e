package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/secret"
)

// The environment of commands that talk to a running engine. The key is never a flag: arguments are
// seen by everybody on the machine.
const (
	engineVariable = "KEYBEARER_URL"
	keyVariable    = "KEYBEARER_API_KEY"
	defaultEngine  = "http://localhost:9099"
)

// engineFlags are how a command finds a running engine.
type engineFlags struct{ url string }

func (f *engineFlags) add(c *cobra.Command) {
	c.PersistentFlags().StringVar(&f.url, "engine", "", "the engine's URL (default: "+engineVariable+", else "+defaultEngine+")")
}

func (f *engineFlags) client(w world) (*client.Client, error) {
	url := f.url
	if url == "" {
		url = w.getenv(engineVariable)
	}
	if url == "" {
		url = defaultEngine
	}
	key := w.getenv(keyVariable)
	if key == "" {
		return nil, usageError{errors.New("set " + keyVariable + " to an API key of the engine with the scope admin; `keybearer serve` prints one at its first start")}
	}
	c, err := client.New(url, secret.New(key), client.WithUserAgent("keybearer-cli/"+version))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", url, err)
	}
	return c, nil
}
