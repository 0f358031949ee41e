package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// The flows of a login.
const (
	flowBrowser = "browser" // the authorization code grant, with PKCE
	flowDevice  = "device"  // RFC 8628
	flowKey     = "api_key"
)

// loginFlags are the login command's.
type loginFlags struct {
	homeFlags
	connection, flow, baseURL, kind, username, site string
	scopes                                          []string
	clientIDEnv, clientSecretEnv, keyEnv            string
	force, noBrowser                                bool
	port                                            int
	wait                                            time.Duration
}

func loginCommand(w world) *cobra.Command {
	var f loginFlags
	c := &cobra.Command{
		Use: "login PROVIDER", Short: "Connect an account: get a person's consent, or take an API key", Args: oneArg("provider"),
		Long: "Connect an account at a provider, for `keybearer run`. The consent is got in a browser; what a provider wants to know of\n" +
			"the app, and API keys, are asked for in a form on this machine, never in arguments. On a machine without a browser\n" +
			"--no-browser prints an address to open elsewhere, and takes the address that the browser ends at.\n\n" +
			"`keybearer login sandbox` connects to the local Atlassian of `keybearer sandbox`.",
		Example: "  keybearer login atlassian\n  keybearer login github --connection work --scopes repo,read:org\n  keybearer login openai --key-env OPENAI_API_KEY",
		RunE: func(c *cobra.Command, args []string) error {
			return runLogin(c.Context(), w, &f, keybearer.ProviderID(args[0]))
		},
	}
	f.add(c)
	c.Flags().StringVar(&f.connection, "connection", "", "a name for the connection, where you have several at the provider")
	c.Flags().StringSliceVar(&f.scopes, "scopes", nil, "scopes to ask for, with commas (default: the provider's)")
	c.Flags().StringVar(&f.flow, "flow", "", "browser, device or api_key (default: what the provider has, in this order)")
	c.Flags().StringVar(&f.baseURL, "base-url", "", "the provider's server, where it is one of your own: https://jira.example.com/jira")
	c.Flags().StringVar(&f.kind, "kind", "", "with --flow api_key: "+kinds()+" (default: api_key)")
	c.Flags().StringVar(&f.username, "username", "", "with an API token of Atlassian's: the e-mail address of its account")
	c.Flags().StringVar(&f.site, "site", "", "with such a token: the site that it is for, https://yoursite.atlassian.net")
	c.Flags().StringVar(&f.clientIDEnv, "client-id-env", "", "the environment variable that has the app's client id")
	c.Flags().StringVar(&f.clientSecretEnv, "client-secret-env", "", "the environment variable that has its client secret")
	c.Flags().StringVar(&f.keyEnv, "key-env", "", "the environment variable that has the API key")
	c.Flags().BoolVar(&f.force, "force", false, "a new consent, though there is a connection")
	c.Flags().BoolVar(&f.noBrowser, "no-browser", false, "open no browser here")
	c.Flags().IntVar(&f.port, "port", login.DefaultPort, "the port on loopback that the provider sends the browser back to")
	c.Flags().DurationVar(&f.wait, "wait", 5*time.Minute, "how long to wait for the person")
	return c
}

func runLogin(ctx context.Context, w world, f *loginFlags, provider keybearer.ProviderID) (err error) {
	name, err := keybearer.ConnectionName(f.connection)
	if err != nil {
		return err
	}
	if !slices.Contains([]string{"", flowBrowser, flowDevice, flowKey}, f.flow) {
		return usageError{fmt.Errorf("--flow %q is not known: browser, device or api_key", f.flow)}
	}
	l := &loggingIn{w: w, f: f, ref: keybearer.Ref{Provider: provider, Name: name}}
	l.browse = func(ctx context.Context, url string) bool { return !f.noBrowser && login.Browser(ctx, w.env, url) }
	defer func() { err = errors.Join(err, l.close(context.WithoutCancel(ctx))) }()
	if err := l.open(ctx); err != nil {
		return err
	}
	l.ref.User = l.home.User()
	patient, cancel := context.WithTimeoutCause(ctx, f.wait, errors.New("the time is over"))
	defer cancel()
	if err := l.connect(patient); err != nil {
		if patient.Err() != nil && !errors.Is(err, keybearer.AuthorizationEnded) { // wherever that was noticed
			return unfinished(patient)
		}
		return err
	}
	return errors.Join(l.tell(ctx), tidy(ctx, l.home))
}

func unfinished(ctx context.Context) error {
	return keybearer.Errorf(keybearer.AuthorizationEnded, "the login was not finished (%w): run it again", context.Cause(ctx))
}

// loggingIn is a login under way.
type loggingIn struct {
	w    world
	f    *loginFlags
	ref  keybearer.Ref
	door *login.Door
	home home
	// browse sends the person's browser somewhere, and reports whether there is one; with back, the browser is to go
	// there after each step.
	browse func(ctx context.Context, url string) bool
	back   string
	// kept: there was a connection already that does.
	kept bool
}

// open opens the door, for logins into the vault, and the home.
func (l *loggingIn) open(ctx context.Context) (err error) {
	if l.f.remote() {
		l.home, err = l.f.homeFlags.open(ctx, l.w, vault.Config{})
		return err
	}
	if l.door, err = login.Open(ctx, l.f.port); err != nil {
		return err
	}
	local, err := openVault(ctx, l.w, behindDoor(l.w, l.door.Port()))
	if err != nil {
		return err
	}
	l.home = local
	l.serve(local)
	return nil
}

// behindDoor is a vault whose logins come back to a port of loopback.
func behindDoor(w world, port int) vault.Config {
	return vault.Config{
		PublicURL: login.URL(port), Callback: login.Callback(port), Verification: keybearer.Verification{UnsafeSkip: true}, // who is at the terminal is at the browser
		Log: slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelError})),
	}
}

// serve shows the pages of a vault at the door.
func (l *loggingIn) serve(local *localHome) {
	l.door.Serve(local.vault.Broker(), l.back, slog.New(slog.NewTextHandler(l.w.err, &slog.HandlerOptions{Level: slog.LevelWarn})))
}

func (l *loggingIn) close(ctx context.Context) error {
	var errs []error
	if l.door != nil {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		errs = append(errs, l.door.Close(ctx))
	}
	if l.home != nil {
		errs = append(errs, l.home.Close(ctx))
	}
	return errors.Join(errs...)
}

// connect goes the way that fits the provider.
func (l *loggingIn) connect(ctx context.Context) error {
	if l.f.remote() {
		return l.consent(ctx)
	}
	p, err := l.installed(ctx)
	if err != nil {
		return err
	}
	flow := l.flow(&p.Definition)
	if flow != flowKey {
		l.f.scopes = l.scopes(&p.Definition)
	}
	switch flow {
	case flowKey:
		return l.giveKey(ctx, &p.Definition)
	default:
		if p.ClientID == "" {
			if err := l.giveClient(ctx, p); err != nil {
				return err
			}
		}
		if flow == flowDevice {
			return l.consentByDevice(ctx)
		}
		return l.consent(ctx)
	}
}

func (l *loggingIn) flow(d *oauth.Definition) string {
	switch {
	case l.f.flow != "":
		return l.f.flow
	case d.KeysOnly() || l.f.keyEnv != "" || l.f.kind != "":
		return flowKey
	}
	return flowBrowser
}

// installed finds the provider, and installs a bundled one at the first login.
func (l *loggingIn) installed(ctx context.Context) (*installed, error) {
	all, err := l.home.Providers(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(p installed) bool { return p.ID == l.ref.Provider }); i >= 0 && l.f.baseURL == "" {
		return &all[i], nil
	}
	draft, err := l.draft()
	if err != nil {
		return nil, err
	}
	definition, _ := catalog.Definition(draft.Type)
	p := &installed{ID: draft.ID, Type: draft.Type, ClientID: draft.ClientID, Definition: definition.Install(draft.Settings)}
	if p.Definition.KeysOnly() || draft.ClientID != "" || l.flow(&p.Definition) == flowKey {
		return p, l.home.Install(ctx, draft)
	}
	return p, nil // the client is asked for first
}

// draft is a bundled provider to be installed.
func (l *loggingIn) draft() (keybearer.ProviderDraft, error) {
	d := keybearer.ProviderDraft{ID: l.ref.Provider, Type: string(l.ref.Provider)}
	base := l.f.baseURL
	if d.ID == sandboxProvider {
		if d.Type = "atlassian"; base == "" {
			base = "http://" + sandboxAddress
		}
		d.Description = "The local Atlassian of `keybearer sandbox`"
		d.ClientID, d.ClientSecret = sandboxClient(l.w)
	}
	definition, ok := catalog.Definition(d.Type)
	if !ok {
		return d, keybearer.Errorf(keybearer.ProviderNotFound, "%q is not known here%s. Define one of your own: keybearer register FILE", d.ID, didYouMean(string(d.ID)))
	}
	if base != "" {
		if err := oauth.CheckEndpoint(base, false); err != nil {
			return d, usageError{fmt.Errorf("--base-url: %w", err)}
		}
		d.Settings = definition.Moved(base)
	}
	if len(definition.Products) > 0 {
		d.Settings.Product = slices.Min(productsOf(&definition))
	}
	return d, nil
}

// scopes are those to ask for. Atlassian Cloud has none by default: then enough to work on issues, which most apps have.
func (l *loggingIn) scopes(d *oauth.Definition) []string {
	if len(l.f.scopes) == 0 && len(d.Scopes.Default) == 0 && d.SitesRequest != nil {
		return append(atlassian.ClassicScopes(atlassian.Write, atlassian.Jira), "read:me")
	}
	return l.f.scopes
}

// consent sends the person to the provider, and waits.
func (l *loggingIn) consent(ctx context.Context) error {
	q := keybearer.AuthorizeRequest{ID: l.ref.Provider, User: l.ref.User, Connection: l.ref.Name, Scopes: l.f.scopes}
	if l.back != "" {
		q.NextURI = l.door.Back()
	}
	a, err := l.home.Authorize(ctx, q, l.f.force)
	if err != nil {
		return err
	}
	if a.Status == keybearer.AuthorizationCompleted {
		l.kept = true
		return nil
	}
	if l.f.remote() {
		l.say("Open this address, and consent there:\n\n  %s\n\n", a.URL)
		l.browse(ctx, a.URL)
		_, err = l.waiting(ctx, a.ID)
		return err
	}
	if !l.browse(ctx, a.URL) {
		return l.consentElsewhere(ctx, a)
	}
	l.say("Your browser opens %s\nIf it does not, open that address yourself.\n", a.URL)
	_, err = l.waiting(ctx, a.ID)
	return err
}

// waiting waits for the end of an authorization, visibly.
func (l *loggingIn) waiting(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error) {
	stop := progress(ctx, l.w, "Waiting for the consent")
	defer stop()
	return l.home.Wait(ctx, id)
}

// tell says what was connected.
func (l *loggingIn) tell(ctx context.Context) error {
	routes, err := l.home.Routes(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(routes, func(r keybearer.Route) bool { return r.Ref.Provider == l.ref.Provider && r.Ref.Name == l.ref.Name })
	if i < 0 {
		return keybearer.Errorf(keybearer.NotFound, "the connection is not there: it may have been removed meanwhile")
	}
	if l.f.json {
		return printJSON(l.w.out, struct {
			Status     string          `json:"status"`
			Connection shownConnection `json:"connection"`
		}{map[bool]string{true: "kept", false: "connected"}[l.kept], shown(&routes[i], time.Now())})
	}
	word := "Connected"
	if l.kept {
		word = "Already connected"
	}
	if _, err := fmt.Fprintf(l.w.out, "%s: %s%s\n", word, title(&routes[i]), siteWords(&routes[i])); err != nil {
		return err
	}
	_, err = fmt.Fprintf(l.w.out, "Now run your agent: keybearer run -- COMMAND\n")
	return err
}

func (l *loggingIn) say(format string, args ...any) { _, _ = fmt.Fprintf(l.w.err, format, args...) }

// siteWords names the sites that a connection reaches.
func siteWords(r *keybearer.Route) string {
	if len(r.Sites) == 0 {
		return ""
	}
	names := make([]string, 0, len(r.Sites))
	for _, s := range r.Sites {
		names = append(names, s.URL)
	}
	return ", which reaches " + strings.Join(names, ", ")
}

// readLine reads a line from a terminal or pipe, of at most 8 KB.
func readLine(in io.Reader) (string, error) {
	var line []byte
	one := make([]byte, 1)
	for len(line) < 8192 {
		n, err := in.Read(one)
		if n > 0 {
			if one[0] == '\n' {
				break
			}
			line = append(line, one[0])
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				break
			}
			return "", err
		}
	}
	return strings.TrimSpace(string(line)), nil
}

// given reads a secret from a variable of the environment that a flag names.
func given(w world, flag, variable string) (secret.String, error) {
	text := w.getenv(variable)
	if text == "" {
		return secret.String{}, usageError{fmt.Errorf("--%s: the variable %s is not set", flag, variable)}
	}
	return secret.New(text), nil
}
