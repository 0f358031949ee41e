package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

const (
	sandboxAddress   = "127.0.0.1:9199"
	defaultTokenLife = time.Hour
)

// sandboxSecretVariable gives the sandbox app's secret; flags are seen by everybody on the machine.
const sandboxSecretVariable = "KEYBEARER_SANDBOX_SECRET"

// localSandboxSecret is the secret of the local Cloud's app, unless another one is chosen: it guards nothing, and so
// `keybearer login sandbox` knows it.
const localSandboxSecret = "local-sandbox-only"

// fake is a local Atlassian, Cloud or Data Center.
type fake interface {
	http.Handler
	Control() http.Handler
	Manual(base string, control ...string) string
	Set(name, value string) error
	Advance(d time.Duration)
}

// sandboxFlags are the sandbox command's.
type sandboxFlags struct {
	address, control    string
	product             string // of a Data Center; empty for Cloud
	bitbucket           bool   // Bitbucket Cloud
	callbacks, switches []string
	tokenLife, advance  time.Duration
}

func sandboxCommand(w world) *cobra.Command {
	var f sandboxFlags
	c := &cobra.Command{
		Use: "sandbox", Short: "Run a local Atlassian to authorize against, without any account", Args: noArgs,
		Long: "Run a local Atlassian: Cloud with its login and consent pages, token endpoint with rotating refresh tokens,\n" +
			"accessible-resources, /me and some of the products' APIs; with --data-center one Jira, Confluence or\n" +
			"Bitbucket Data Center; with --bitbucket Bitbucket Cloud. docs/sandbox.md is its manual.\n\n" +
			"The secret of its app is taken from " + sandboxSecretVariable + "; otherwise it is a well-known one for Cloud, which `keybearer login sandbox`\n" +
			"uses, and made up for the others. It is printed then.",
		RunE: func(c *cobra.Command, _ []string) error { return runSandbox(c.Context(), w, f) },
	}
	c.Flags().StringVar(&f.address, "listen", sandboxAddress, "the address to listen on")
	c.Flags().StringVar(&f.control, "control", "", "a second address, for the control API (default: none)")
	c.Flags().StringArrayVar(&f.callbacks, "callback", nil, "a callback URL registered for the app, to the letter; may be repeated")
	c.Flags().DurationVar(&f.tokenLife, "token-life", defaultTokenLife, "how long access tokens live; those of Bitbucket Cloud two hours")
	c.Flags().DurationVar(&f.advance, "advance", 0, "how far the clock is ahead of the machine's, or behind if negative")
	c.Flags().StringVar(&f.product, "data-center", "", "run a Data Center product, jira, confluence or bitbucket, in place of Cloud")
	c.Flags().BoolVar(&f.bitbucket, "bitbucket", false, "run Bitbucket Cloud in place of Atlassian Cloud")
	c.MarkFlagsMutuallyExclusive("bitbucket", "data-center")
	c.Flags().StringArrayVar(&f.switches, "switch", nil, "a misbehaviour as name=value, see docs/sandbox.md; may be repeated")
	return c
}

func runSandbox(ctx context.Context, w world, f sandboxFlags) error {
	secret, given := w.env(sandboxSecretVariable)
	s, id, made, err := f.fake(secret)
	if err != nil {
		return err
	}
	for _, turn := range f.switches {
		name, value, _ := strings.Cut(turn, "=")
		if err := s.Set(name, value); err != nil {
			return fmt.Errorf("--switch %s: %w. docs/sandbox.md lists the switches", turn, err)
		}
	}
	s.Advance(f.advance)
	box, err := openSandbox(ctx, s, f.address, f.control)
	if err != nil {
		return err
	}
	manual := s.Manual(box.url)
	if f.control != "" {
		manual = s.Manual(box.url, "http://"+f.control)
	}
	if _, err := fmt.Fprintln(w.out, manual); err != nil {
		return errors.Join(err, box.stop(ctx))
	}
	if !given || secret == "" {
		_, _ = fmt.Fprintf(w.out, "The secret of %s: %s\n", id, made)
	}
	if f.product == "" && !f.bitbucket {
		_, _ = fmt.Fprintf(w.out, sandboxYAML, id, box.url)
	}
	<-ctx.Done()
	return box.stop(context.WithoutCancel(ctx))
}

// fake makes the server that the flags ask for, with one app whose id and secret are returned too. The secret is
// made up if there is none.
func (f sandboxFlags) fake(secret string) (s fake, id, made string, err error) {
	if secret == "" && f.product == "" && !f.bitbucket {
		secret = localSandboxSecret
	}
	if secret == "" {
		secret = rand.Text()
	}
	if f.bitbucket {
		return f.bitbucketCloud(secret)
	}
	if f.product == "" {
		app := atlassiantest.DefaultApp()
		app.Secret = secret
		if len(f.callbacks) > 0 {
			app.Callbacks = f.callbacks
		}
		app.Callbacks = append(slices.Clone(app.Callbacks), login.Callback(login.DefaultPort))
		service := atlassiantest.DefaultServiceAccount()
		service.Secret = secret
		cloud := atlassiantest.New(atlassiantest.Config{
			Apps: []atlassiantest.App{app}, ServiceAccounts: []atlassiantest.ServiceAccount{service}, AccessLifetime: f.tokenLife,
		})
		app, _ = cloud.App(app.ID)
		return cloud, app.ID, app.Secret, nil
	}
	link := atlassiantest.DefaultLink()
	link.Secret = secret
	if len(f.callbacks) > 0 {
		link.Redirects = f.callbacks
	}
	c := atlassiantest.DataCenterConfig{Product: f.product, Links: []atlassiantest.Link{link}, AccessLifetime: f.tokenLife}
	if !slices.Contains(atlassiantest.Products(), c.Product) {
		return nil, "", "", fmt.Errorf("--data-center is %q: it can be %s", f.product, strings.Join(atlassiantest.Products(), ", "))
	}
	product := atlassiantest.NewDataCenter(c)
	link, _ = product.Link(link.ID)
	return product, link.ID, link.Secret, nil
}

// bitbucketCloud makes a Bitbucket Cloud, whose access tokens live two hours unless the flag says otherwise.
func (f sandboxFlags) bitbucketCloud(secret string) (s fake, key, made string, err error) {
	consumer := atlassiantest.DefaultConsumer()
	consumer.Secret = secret
	if len(f.callbacks) > 1 {
		return nil, "", "", errors.New("--callback is given several times: a consumer of Bitbucket has one")
	}
	if len(f.callbacks) > 0 {
		consumer.Callback = f.callbacks[0]
	}
	c := atlassiantest.BitbucketConfig{Consumers: []atlassiantest.Consumer{consumer}}
	if f.tokenLife != defaultTokenLife {
		c.AccessLifetime = f.tokenLife
	}
	return atlassiantest.NewBitbucketCloud(c), consumer.Key, secret, nil
}

// sandbox is a running local Atlassian.
type sandbox struct {
	url     string
	servers []*http.Server
	ended   chan error
}

func openSandbox(ctx context.Context, s fake, address, control string) (*sandbox, error) {
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
        sites_request: {endpoint: %[2]s/oauth/token/accessible-resources}
`
