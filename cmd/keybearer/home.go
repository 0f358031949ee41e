package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/internal/vault"
	"github.com/keybearer/keybearer/secret"
)

// userVariable says whose connections are meant at a running engine.
const userVariable = "KEYBEARER_USER"

// custodyVariable says where the first use of the vault keeps its key: keyring, passphrase, environment or file.
const custodyVariable = "KEYBEARER_VAULT_CUSTODY"

// home is where a person's connections are: the vault on this machine, or a running engine.
type home interface {
	keybearer.TokenSource
	Renew(ctx context.Context, ref keybearer.Ref, refused secret.String) (keybearer.Token, error)
	// Routes lists the person's connections.
	Routes(ctx context.Context) ([]keybearer.Route, error)
	Authorize(ctx context.Context, r keybearer.AuthorizeRequest, again bool) (keybearer.Authorization, error)
	Wait(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error)
	Connect(ctx context.Context, ref keybearer.Ref, given keybearer.Credential) error
	Disconnect(ctx context.Context, id keybearer.ConnectionID) error
	SetDefault(ctx context.Context, ref keybearer.Ref) error
	// Providers lists what is installed.
	Providers(ctx context.Context) ([]installed, error)
	Install(ctx context.Context, d keybearer.ProviderDraft) error
	Uninstall(ctx context.Context, id keybearer.ProviderID) error
	Events(ctx context.Context, f keybearer.EventFilter) ([]keybearer.RecordedEvent, error)
	Record(in keybearer.Injection)
	// User is whose connections they are.
	User() keybearer.UserID
	Close(ctx context.Context) error
}

// homeFlags are how a command finds the person's connections.
type homeFlags struct {
	engine string
	user   string
	json   bool
}

func (f *homeFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.engine, "engine", "", "use a running engine at this URL, with the key in "+keyVariable+", in place of the vault on this machine")
	c.Flags().StringVar(&f.user, "user", "", "with --engine: whose connections (default: "+userVariable+")")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
}

// remote reports whether an engine is meant. KEYBEARER_URL alone does not mean one: it is set where engines are operated.
func (f *homeFlags) remote() bool { return f.engine != "" }

// open finds the person's connections. What cfg says of doors and logs is for the vault.
func (f *homeFlags) open(ctx context.Context, w world, cfg vault.Config) (home, error) {
	if !f.remote() {
		if f.user != "" {
			return nil, usageError{errors.New("--user goes with --engine: the vault on this machine is one person's")}
		}
		return openVault(ctx, w, cfg)
	}
	user := f.user
	if user == "" {
		user = w.getenv(userVariable)
	}
	if user == "" {
		return nil, usageError{errors.New("say whose connections at the engine are meant: --user, or " + userVariable)}
	}
	c, err := (&engineFlags{url: f.engine}).client(w)
	if err != nil {
		return nil, err
	}
	return newRemoteHome(c, keybearer.UserID(user)), nil
}

// with opens a home, does something with it, and closes it.
func (f *homeFlags) with(ctx context.Context, w world, do func(home) error) (err error) {
	h, err := f.open(ctx, w, vault.Config{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close(context.WithoutCancel(ctx))) }()
	return do(h)
}

// tidy removes from a vault what is over, after commands that take their time anyway. Opening does not, to be fast.
func tidy(ctx context.Context, h home) error {
	if local, ok := h.(*localHome); ok {
		return local.vault.Tidy(ctx)
	}
	return nil
}

// localHome is the vault on this machine.
type localHome struct {
	*keybearer.View
	vault *vault.Vault
}

func openVault(ctx context.Context, w world, cfg vault.Config) (*localHome, error) {
	cfg.Env = w.env
	if name := w.getenv(custodyVariable); name != "" {
		custody, err := vault.ParseCustody(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", custodyVariable, err)
		}
		cfg.Custody = custody
	}
	cfg.Ask = askPassphrase(w)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.NewTextHandler(w.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	v, err := vault.Open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &localHome{View: v.View(), vault: v}, nil
}

func (l *localHome) User() keybearer.UserID { return vault.Me }

func (l *localHome) Close(ctx context.Context) error { return l.vault.Close(ctx) }

func (l *localHome) Routes(ctx context.Context) ([]keybearer.Route, error) {
	return l.View.Routes(ctx, vault.Me)
}

func (l *localHome) Authorize(ctx context.Context, r keybearer.AuthorizeRequest, again bool) (keybearer.Authorization, error) {
	if again {
		return l.View.AuthorizeAgain(ctx, r)
	}
	return l.View.Authorize(ctx, r)
}

func (l *localHome) Wait(ctx context.Context, id keybearer.AuthorizationID) (keybearer.Authorization, error) {
	for {
		a, err := l.View.Wait(ctx, id, time.Minute)
		switch {
		case ctx.Err() != nil:
			return a, unfinished(ctx)
		case err != nil:
			return a, err
		case a.Status == keybearer.AuthorizationCompleted:
			return a, nil
		case a.Status == keybearer.AuthorizationFailure && a.Failure != nil:
			return a, a.Failure
		}
	}
}

func (l *localHome) Connect(ctx context.Context, ref keybearer.Ref, given keybearer.Credential) error {
	_, err := l.View.PutConnection(ctx, ref, given)
	return err
}

func (l *localHome) SetDefault(ctx context.Context, ref keybearer.Ref) error {
	return l.View.SetDefaultConnection(ctx, ref)
}

func (l *localHome) Providers(ctx context.Context) ([]installed, error) {
	all, err := l.View.Providers(ctx)
	out := make([]installed, len(all))
	for i, p := range all {
		out[i] = installed{ID: p.ID, Type: p.Type, ClientID: p.ClientID, HasSecret: len(p.ClientSecret) > 0, Definition: p.Definition}
	}
	return out, err
}

func (l *localHome) Install(ctx context.Context, d keybearer.ProviderDraft) error {
	_, err := l.View.Provider(ctx, d.ID)
	switch {
	case errors.Is(err, keybearer.NotFound), errors.Is(err, keybearer.ProviderNotFound):
		_, err = l.View.CreateProvider(ctx, d)
	case err == nil:
		_, err = l.View.UpdateProvider(ctx, d.ID, func(now *keybearer.ProviderDraft) error {
			kept := now.ClientSecret
			*now = d
			if d.ClientSecret.IsZero() {
				now.ClientSecret = kept
			}
			return nil
		})
	}
	return err
}

func (l *localHome) Uninstall(ctx context.Context, id keybearer.ProviderID) error {
	_, err := l.View.DeleteProvider(ctx, id)
	return err
}

func (l *localHome) Record(in keybearer.Injection) { _ = l.View.RecordInjection(in) } // the person may do everything

var (
	_ home = (*localHome)(nil)
	_ home = (*remoteHome)(nil)
	_ interface {
		Renew(context.Context, keybearer.Ref, secret.String) (keybearer.Token, error)
	} = (*client.Client)(nil)
)
