package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

const sandboxAddress = "127.0.0.1:9199"

// sandboxSecretVariable gives the sandbox app's secret; flags are seen by everybody on the machine.
const sandboxSecretVariable = "KEYBEARER_SANDBOX_SECRET"

func sandboxCommand(w world) *cobra.Command {
	var address, control string
	var callbacks []string
	var tokenLife time.Duration
	c := &cobra.Command{
		Use: "sandbox", Short: "Run a local Atlassian to authorize against, without any account", Args: noArgs,
		Long: "Run a local Atlassian Cloud: its login and consent pages, token endpoint with rotating refresh tokens,\n" +
			"accessible-resources and /me. docs/sandbox.md is its manual.\n\n" +
			"The secret of its app is taken from " + sandboxSecretVariable + ", or made up and printed.",
		RunE: func(c *cobra.Command, _ []string) error {
			app := atlassiantest.DefaultApp()
			secret, given := w.env(sandboxSecretVariable)
			app.Secret = secret
			if len(callbacks) > 0 {
				app.Callbacks = callbacks
			}
			s := atlassiantest.New(atlassiantest.Config{Apps: []atlassiantest.App{app}, AccessLifetime: tokenLife})
			box, err := openSandbox(c.Context(), s, address, control)
			if err != nil {
				return err
			}
			manual := s.Manual(box.url)
			if control != "" {
				manual = s.Manual(box.url, "http://"+control)
			}
			if _, err := fmt.Fprintln(w.out, manual); err != nil {
				return errors.Join(err, box.stop(c.Context()))
			}
			if !given || secret == "" {
				made, _ := s.App(app.ID)
				_, _ = fmt.Fprintf(w.out, "The secret of %s: %s\n", app.ID, made.Secret)
			}
			_, _ = fmt.Fprintf(w.out, sandboxYAML, app.ID, box.url)
			<-c.Context().Done()
			return box.stop(context.WithoutCancel(c.Context()))
		},
	}
	c.Flags().StringVar(&address, "listen", sandboxAddress, "the address to listen on")
	c.Flags().StringVar(&control, "control", "", "a second address, for the control API (default: none)")
	c.Flags().StringArrayVar(&callbacks, "callback", nil, "a callback URL registered for the app, to the letter; may be repeated")
	c.Flags().DurationVar(&tokenLife, "token-life", time.Hour, "how long access tokens live")
	return c
}

// sandbox is a running local Atlassian.
type sandbox struct {
	url     string
	servers []*http.Server
	ended   chan error
}

func openSandbox(ctx context.Context, s *atlassiantest.Server, address, control string) (*sandbox, error) {
	box := &sandbox{ended: make(chan error, 2)}
	open := func(address string, h http.Handler) (net.Listener, error) {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w. Choose another address with --listen", address, err)
		}
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		box.servers = append(box.servers, server)
		go func() { box.ended <- server.Serve(l) }() // ends in stop, which waits for it
		return l, nil
	}
	l, err := open(address, s)
	if err != nil {
		return nil, err
	}
	box.url = "http://" + l.Addr().String()
	if control != "" {
		if _, err := open(control, s.Control()); err != nil {
			return nil, errors.Join(err, box.stop(ctx))
		}
	}
	return box, nil
}

func (b *sandbox) stop(ctx context.Context) error {
	var errs []error
	for _, server := range b.servers {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		if err := server.Shutdown(ctx); err != nil {
			errs = append(errs, server.Close())
		}
		cancel()
	}
	for range b.servers {
		if err := <-b.ended; !errors.Is(err, http.ErrServerClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sandboxYAML points an engine at the sandbox.
const sandboxYAML = `
In engine.yaml, with the secret in the environment:

auth:
  providers:
    - id: atlassian
      provider_id: atlassian
      client_id: %[1]s
      client_secret: ${env:KEYBEARER_SANDBOX_SECRET}
      oauth2: # only what differs from the real Atlassian
        authorize_request: {endpoint: %[2]s/authorize}
        token_request: {endpoint: %[2]s/oauth/token}
        user_info_request: {endpoint: %[2]s/me}
`
