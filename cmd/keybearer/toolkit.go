package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/secret"
	"github.com/keybearer/keybearer/tool"
	"github.com/keybearer/keybearer/toolkit/atlassiantools"
)

const (
	// gatewayVariable is another address in place of Atlassian's gateway.
	gatewayVariable = "KEYBEARER_ATLASSIAN_GATEWAY"
	// workerSecretVariable is what a worker shares with its engine; published workers have it under the other name.
	workerSecretVariable  = "KEYBEARER_WORKER_SECRET"
	workerSecretElsewhere = "ARCADE_WORKER_SECRET"

	toolkitAddress = "127.0.0.1:8002"
)

func toolkitCommand(w world) *cobra.Command {
	c := &cobra.Command{
		Use: "toolkit", Short: "Serve the bundled tools for Jira or Confluence to an engine",
		Long: "Serve the bundled tools for Jira or Confluence to an engine, which lends them the token of the user that they are called for.\n" +
			"docs/toolkit.md lists the tools and their scopes.",
	}
	for name, kit := range map[string]func(atlassiantools.Config) *tool.Kit{"jira": atlassiantools.Jira, "confluence": atlassiantools.Confluence} {
		one := kit(atlassiantools.Config{Gateway: w.getenv(gatewayVariable)})
		of := &cobra.Command{Use: name, Short: "Serve the tools for " + one.Name}
		of.AddCommand(toolkitWorker(w, one))
		of.Args, of.RunE = noSuchCommand, func(c *cobra.Command, _ []string) error { return c.Help() }
		c.AddCommand(of)
	}
	return c
}

// toolkitWorker serves a kit by the worker protocol.
func toolkitWorker(w world, kit *tool.Kit) *cobra.Command {
	var address string
	c := &cobra.Command{
		Use: "worker", Short: "Serve the tools for " + kit.Name + " by the worker protocol", Args: noArgs,
		Long: "Serve the tools for " + kit.Name + " by the worker protocol, to engines that know the secret in " + workerSecretVariable + "\n" +
			"(or " + workerSecretElsewhere + "). " + gatewayVariable + " is another address in place of Atlassian's gateway, such as the sandbox's.",
		RunE: func(c *cobra.Command, _ []string) error {
			shared := w.getenv(workerSecretVariable)
			if shared == "" {
				shared = w.getenv(workerSecretElsewhere)
			}
			if shared == "" {
				return usageError{errors.New("set " + workerSecretVariable + " to the secret that this worker shares with its engine")}
			}
			return serveToolkit(c.Context(), w, kit, address, tool.WorkerHandler(kit, secret.New(shared)))
		},
	}
	c.Flags().StringVar(&address, "listen", toolkitAddress, "the address to listen on")
	return c
}

// serveToolkit serves until the context ends; calls that are under way then have ten seconds.
func serveToolkit(ctx context.Context, w world, kit *tool.Kit, address string, h http.Handler) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("listening on %s: %w. Choose another address with --listen", address, err)
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }() // ends below, which waits for it
	_, err = fmt.Fprintf(w.out, "%d tools for %s at http://%s, for the worker in an engine's configuration\n", len(kit.Tools), kit.Name, l.Addr())
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-ended:
			return err
		}
	}
	pause, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if late := server.Shutdown(pause); late != nil {
		err = errors.Join(err, server.Close())
	}
	if end := <-ended; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}
