package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest/atlassiantest"
	"github.com/keybearer/keybearer/secret"
)

// sandboxProvider is the id under which the vault knows the local Atlassian.
const sandboxProvider = "sandbox"

// sandboxClient is the app that `keybearer sandbox` has, unless its secret was chosen.
func sandboxClient(w world) (string, secret.String) {
	app := atlassiantest.DefaultApp()
	return app.ID, secret.New(cmp.Or(w.getenv(sandboxSecretVariable), localSandboxSecret))
}

// giveClient gets the app's client id and secret, and installs the provider with them.
func (l *loggingIn) giveClient(ctx context.Context, p *installed) error {
	draft, err := l.draft()
	if err != nil {
		return err
	}
	switch {
	case l.f.clientIDEnv != "":
		id, err := given(l.w, "client-id-env", l.f.clientIDEnv)
		if err != nil {
			return err
		}
		draft.ClientID = id.Reveal()
		if l.f.clientSecretEnv != "" {
			if draft.ClientSecret, err = given(l.w, "client-secret-env", l.f.clientSecretEnv); err != nil {
				return err
			}
		}
	default:
		answers, err := l.ask(ctx, login.Form{
			Title: "Connect " + cmp.Or(p.Definition.DisplayName, string(p.ID)),
			Lead: []string{
				"Keybearer needs an app of yours at " + cmp.Or(p.Definition.DisplayName, string(p.ID)) + ". Make one there, register the address below as its callback (redirect) URL, and copy its client id and secret here.",
			},
			ShownAs: "The callback URL, to the letter:", Shown: l.door.Callback(),
			Link: "https://" + hostOfEndpoint(p.Definition.AuthorizeRequest.Endpoint), LinkText: hostOfEndpoint(p.Definition.AuthorizeRequest.Endpoint),
			Fields: []login.Field{
				{Name: "client_id", Label: "Client id"},
				{Name: "client_secret", Label: "Client secret", Hidden: true, Optional: p.Definition.PKCE.On()},
			},
			Check: func(answers map[string]string) error {
				draft.ClientID, draft.ClientSecret = answers["client_id"], secret.New(answers["client_secret"])
				return nil
			},
		})
		if err != nil {
			return err
		}
		draft.ClientID, draft.ClientSecret = answers["client_id"], secret.New(answers["client_secret"])
	}
	return l.home.Install(ctx, draft)
}

// giveKey gets an API key or token, and stores it.
func (l *loggingIn) giveKey(ctx context.Context, d *oauth.Definition) error {
	c := keybearer.Credential{Kind: keybearer.ConnectionKind(cmp.Or(l.f.kind, string(keybearer.APIKey))), Username: l.f.username, SiteURL: l.f.site, Scopes: l.f.scopes}
	var err error
	switch {
	case l.f.keyEnv != "":
		c.Secret, err = given(l.w, "key-env", l.f.keyEnv)
	case !isTerminal(l.w.in) && l.w.in != nil && l.f.noBrowser:
		c.Secret, err = readSecret(ctx, l.w, "API key")
	default:
		var answers map[string]string
		answers, err = l.ask(ctx, login.Form{
			Title: "Connect " + cmp.Or(d.DisplayName, string(l.ref.Provider)),
			Lead:  []string{"Copy an API key of " + cmp.Or(d.DisplayName, string(l.ref.Provider)) + " here. Agents use it through Keybearer and never see it."},
			Link:  d.API.KeysURL, LinkText: "Where keys are made",
			Fields: []login.Field{{Name: "key", Label: "API key", Hidden: true, Help: d.API.KeyHint}},
			Check: func(answers map[string]string) error {
				if c.Kind == keybearer.APIKey && !d.API.FitsKey(answers["key"]) {
					return errors.New("This does not look like one of its keys: " + cmp.Or(d.API.KeyHint, "copy it again, whole") + ".") //nolint:staticcheck // shown to people as it stands
				}
				return nil
			},
		})
		c.Secret = secret.New(answers["key"])
	}
	if err != nil {
		return err
	}
	return l.home.Connect(ctx, l.ref, c)
}

// ask shows a form in the browser, or asks at the terminal where there is none.
func (l *loggingIn) ask(ctx context.Context, f login.Form) (map[string]string, error) {
	f.Next = l.back
	asking := l.door.Ask(f)
	if l.browse(ctx, asking.URL) {
		l.say("Your browser opens %s\nIf it does not, open that address yourself.\n", asking.URL)
		stop := progress(ctx, l.w, "Waiting for the form")
		defer stop()
		return asking.Wait(ctx)
	}
	if isTerminal(l.w.in) {
		return l.askHere(ctx, f)
	}
	l.say("Open this address on this machine and fill in the form:\n\n  %s\n\n", asking.URL)
	return asking.Wait(ctx)
}

// askHere asks at the terminal.
func (l *loggingIn) askHere(ctx context.Context, f login.Form) (map[string]string, error) {
	for _, p := range f.Lead {
		l.say("%s\n", p)
	}
	if f.Shown != "" {
		l.say("%s %s\n", f.ShownAs, f.Shown)
	}
	answers := map[string]string{}
	for _, field := range f.Fields {
		if field.Hidden {
			text, err := readSecret(ctx, l.w, field.Label)
			if err != nil && !field.Optional {
				return nil, err
			}
			answers[field.Name] = text.Reveal()
			continue
		}
		l.say("%s: ", field.Label)
		line, err := readLine(l.w.in)
		if err != nil {
			return nil, fmt.Errorf("reading the %s: %w", strings.ToLower(field.Label), err)
		}
		answers[field.Name] = line
	}
	if f.Check != nil {
		if err := f.Check(answers); err != nil {
			return nil, keybearer.Errorf(keybearer.BadRequest, "%w", err)
		}
	}
	return answers, nil
}

// consentElsewhere prints the provider's address for a browser on any machine, and takes the address at which that
// browser ends: it is one of this machine's loopback, which shows nothing there.
func (l *loggingIn) consentElsewhere(ctx context.Context, a keybearer.Authorization) error {
	local, ok := l.home.(*localHome)
	if !ok {
		return usageError{errors.New("this works with the vault on this machine")}
	}
	visitor := local.vault.Broker().Visitor(keybearer.NewBrowserSecret())
	to, err := visitor.Begin(ctx, a.ID)
	if err != nil {
		return err
	}
	l.say("Open this address in a browser, on any machine, and consent there:\n\n  %s\n\n"+
		"Then it goes to an address that begins with %s and shows nothing, if it is not on this machine.\n"+
		"Copy that whole address from the browser, and paste it here: ", to, l.door.Callback())
	line, err := readLine(l.w.in)
	if err != nil {
		return keybearer.Errorf(keybearer.AuthorizationEnded, "no address came (%w): run the login again", err)
	}
	u, err := url.Parse(strings.TrimSpace(line))
	if err != nil || !strings.HasPrefix(line, l.door.Callback()) {
		return keybearer.Errorf(keybearer.BadRequest, "that is not the address at which the browser ends: it begins with %s. Run the login again", l.door.Callback())
	}
	q := u.Query()
	_, err = visitor.Complete(ctx, keybearer.Callback{
		State: secret.New(q.Get("state")), Code: secret.New(q.Get("code")),
		Error: q.Get("error"), ErrorDescription: q.Get("error_description"), ErrorURI: q.Get("error_uri"),
		Issuer: q.Get("iss"), HasIssuer: q.Has("iss"),
	})
	return err
}

// consentByDevice gets the consent by a code that is typed in elsewhere (RFC 8628).
func (l *loggingIn) consentByDevice(ctx context.Context) error {
	local, ok := l.home.(*localHome)
	if !ok {
		return usageError{errors.New("--flow device is for the vault on this machine")}
	}
	ask := local.AuthorizeDevice
	if l.f.force {
		ask = local.AuthorizeDeviceAgain
	}
	a, err := ask(ctx, keybearer.AuthorizeRequest{ID: l.ref.Provider, User: l.ref.User, Connection: l.ref.Name, Scopes: l.f.scopes})
	if err != nil {
		return err
	}
	if a.Status == keybearer.AuthorizationCompleted {
		l.kept = true
		return nil
	}
	l.say("Open this address, on any machine, and type the code there:\n\n  %s\n  %s\n\n", a.VerificationURI, a.UserCode)
	l.browse(ctx, cmp.Or(a.VerificationURIComplete, a.VerificationURI))
	_, err = l.waiting(ctx, a.ID)
	return err
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func hostOfEndpoint(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

func productsOf(d *oauth.Definition) []string { return slices.Sorted(maps.Keys(d.Products)) }

// didYouMean names a bundled provider that is written nearly so.
func didYouMean(name string) string {
	for _, kind := range catalog.Kinds() {
		if strings.HasPrefix(kind, name) || strings.HasPrefix(name, kind) {
			return fmt.Sprintf("; did you mean %q?", kind)
		}
	}
	return ""
}
