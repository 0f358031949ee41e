package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/engine"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// devUser is for whom the first link of `keybearer dev` is.
const devUser = "alice@example.com"

func devCommand(w world) *cobra.Command {
	var port, sandboxPort int
	var verbose bool
	c := &cobra.Command{
		Use: "dev", Short: "Run the engine with a local Atlassian beside it, to click through", Args: noArgs,
		Long: "Run the engine and the sandbox in one process, on a database that is removed at the end, and print a link to click,\n" +
			"an API key and a curl line. Nothing has to be configured, and no account is needed anywhere.",
		RunE: func(c *cobra.Command, _ []string) error {
			return dev(c.Context(), w, port, sandboxPort, verbose)
		},
	}
	c.Flags().IntVar(&port, "port", 9099, "the engine's port; another one is taken if it is in use")
	c.Flags().IntVar(&sandboxPort, "sandbox-port", 9199, "the sandbox's port; another one is taken if it is in use")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show the engine's log")
	return c
}

func dev(ctx context.Context, w world, port, sandboxPort int, verbose bool) (err error) {
	data, err := os.MkdirTemp("", "keybearer-dev-")
	if err != nil {
		return fmt.Errorf("making a folder for the database: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	// The sandbox has to know the engine's port, so it is held until the engine takes it.
	held, err := hold(ctx, port)
	if err != nil {
		return err
	}
	defer func() { _ = held.Close() }()
	port = held.Addr().(*net.TCPAddr).Port

	app := atlassiantest.DefaultApp()
	app.Secret = rand.Text()
	origin := "http://localhost:" + strconv.Itoa(port)
	app.Callbacks = []string{origin + "/api/v1/oauth/atlassian/callback"}
	atlassian := atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}})
	box, err := openSandbox(ctx, atlassian, net.JoinHostPort("127.0.0.1", strconv.Itoa(sandboxPort)), "")
	if err != nil {
		box, err = openSandbox(ctx, atlassian, "127.0.0.1:0", "")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, box.stop(context.WithoutCancel(ctx))) }()

	key := secret.New(keybearer.KeyPrefix + rand.Text())
	cfg, problems := config.Parse("engine.yaml", []byte(devConfig), config.Source{
		Dir: data, DataDir: data, Definitions: catalog.Definition, Types: catalog.Kinds(),
		LookupEnv: lookup(map[string]string{
			"PORT": strconv.Itoa(port), "SANDBOX": box.url, "CLIENT_ID": app.ID, "CLIENT_SECRET": app.Secret,
			"KEYBEARER_API_KEY": key.Reveal(), "KEYBEARER_ADMIN_PASSWORD": rand.Text(),
		}),
	})
	if err := problems.Err(); err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if verbose {
		log = newLog(w.err, cfg.Telemetry)
	}
	if err := held.Close(); err != nil {
		return fmt.Errorf("letting go of port %d: %w", port, err)
	}
	e, err := engine.Start(ctx, engine.Options{Config: cfg, Log: log, Announce: io.Discard, Version: version})
	if err != nil {
		return err
	}
	// The listener is open: who clicks the link before the engine serves waits a moment.
	if err := invite(ctx, w.out, e, key); err != nil {
		stopped, stop := context.WithCancel(ctx)
		stop()
		return errors.Join(err, e.Run(stopped))
	}
	return e.Run(ctx)
}

// devConfig is the engine.yaml of `keybearer dev`.
const devConfig = `
api:
  host: localhost
  port: ${env:PORT}
  public_host: http://localhost:${env:PORT}
auth:
  session_verification:
    unsafe_skip_verification: true # one's own machine: whoever clicks the link is the user
  providers:
    - id: atlassian
      description: The local Atlassian sandbox
      provider_id: atlassian
      client_id: ${env:CLIENT_ID}
      client_secret: ${env:CLIENT_SECRET}
      oauth2: # only what differs from the real Atlassian
        authorize_request: {endpoint: "${env:SANDBOX}/authorize"}
        token_request: {endpoint: "${env:SANDBOX}/oauth/token"}
        refresh_request: {endpoint: "${env:SANDBOX}/oauth/token"}
        user_info_request: {endpoint: "${env:SANDBOX}/me"}
        sites_request: {endpoint: "${env:SANDBOX}/oauth/token/accessible-resources"}
security:
  allow_networks: [127.0.0.0/8, "::1/128"] # workers with tools that one tries here
`

func lookup(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		text, ok := vars[name]
		return text, ok
	}
}

// invite starts an authorization, as an app would, and says what to do with it.
func invite(ctx context.Context, out io.Writer, e *engine.Engine, key secret.String) error {
	app, err := e.Broker().Authenticate(ctx, key)
	if err != nil {
		return err
	}
	app.Name = "key:curl" // the start page shows who asks
	a, err := e.Broker().As(app).Authorize(ctx, keybearer.AuthorizeRequest{
		ProviderID: "atlassian", User: devUser, Scopes: []string{"read:me", "read:jira-work"},
	})
	if err != nil {
		return fmt.Errorf("starting an authorization: %w", err)
	}
	_, err = fmt.Fprintf(out, `Keybearer is running at %[1]s, with a local Atlassian beside it. Stop it with Ctrl-C.

1. Open this link, choose an account and accept:

     %[2]s

2. Get the token. This waits until you have accepted:

     curl -H "Authorization: %[3]s" "%[1]s/v1/auth/status?id=%[4]s&wait=59"

The API key is %[3]s; it ends with this process, and so does all that is stored.
`, e.URL(), a.URL, key.Reveal(), a.ID)
	return err
}

// hold takes the wanted port, or a free one if it is in use.
func hold(ctx context.Context, wanted int) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("localhost", strconv.Itoa(wanted)))
	if err != nil {
		l, err = new(net.ListenConfig).Listen(ctx, "tcp", "localhost:0")
	}
	if err != nil {
		return nil, fmt.Errorf("looking for a port: %w", err)
	}
	return l, nil
}
