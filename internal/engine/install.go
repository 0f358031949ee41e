package engine

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/secret"
)

// fileProviders turns the file's entries into providers, their secrets sealed.
func fileProviders(cfg *config.Config, sealer keybearer.Sealer) ([]keybearer.Provider, error) {
	static := make([]keybearer.Provider, 0, len(cfg.Auth.Providers))
	for _, entry := range cfg.Auth.Providers {
		if _, known := catalog.Definition(entry.ProviderID); !entry.Enabled && entry.ProviderID != "" && !known {
			continue // shipped templates list types that are not bundled here, all disabled
		}
		p := keybearer.Provider{
			Project: keybearer.DefaultProject, ID: keybearer.ProviderID(entry.ID), Type: entry.ProviderID,
			Description: entry.Description, Status: keybearer.ProviderActive, Origin: keybearer.FromFile, ClientID: entry.ClientID,
		}
		if !entry.Enabled {
			p.Status = keybearer.ProviderDisabled
		}
		if entry.Overrides != nil {
			p.Settings = *entry.Overrides
		}
		if !entry.ClientSecret.IsZero() {
			sealed, err := sealer.Seal([]byte(entry.ClientSecret.Reveal()), p.SecretPlace())
			if err != nil {
				return nil, fmt.Errorf("sealing the client secret of provider %s: %w", p.ID, err)
			}
			p.ClientSecret = sealed
		}
		static = append(static, p)
	}
	return static, nil
}

// The environment of a first start.
const (
	apiKeyVariable   = "KEYBEARER_API_KEY"
	passwordVariable = "KEYBEARER_ADMIN_PASSWORD"
	// adminUser is the account that the first start makes.
	adminUser = "admin"
	// environmentKey is what a key from the environment is called.
	environmentKey = "environment"
)

// firstStart makes the first API key and the admin's account, and shows once what it made up itself.
// A key from the environment is stored at every start, so that it can be exchanged there.
func (e *Engine) firstStart(ctx context.Context, cfg *config.Config, announce io.Writer, patient *patience) error {
	return e.alone(ctx, firstStartLease, firstStartTime, patient, func(ctx context.Context) error {
		if err := e.firstKey(ctx, cfg, announce, patient); err != nil {
			return err
		}
		return e.firstAccount(ctx, cfg, announce, patient)
	})
}

// firstKey stores the key of the environment, or makes one where there is none. What it makes up it
// makes up once: a try that was cut off may have stored it.
func (e *Engine) firstKey(ctx context.Context, cfg *config.Config, announce io.Writer, patient *patience) error {
	var before []keybearer.Key
	if err := patient.ask(ctx, func(ctx context.Context) (err error) {
		before, err = e.store.Keys(ctx, keybearer.DefaultProject)
		return err
	}); err != nil {
		return err
	}
	text, given := cfg.Env(apiKeyVariable)
	given = given && text != ""
	draft := keybearer.KeyDraft{Name: environmentKey, Scope: keybearer.ScopeAdmin}
	switch {
	case !given && len(before) > 0:
		return nil
	case !given:
		draft.Name, text = "first", keybearer.KeyPrefix+rand.Text()+rand.Text()
	}
	var key keybearer.Key
	err := patient.ask(ctx, func(ctx context.Context) (err error) {
		key, err = e.broker.PutKey(ctx, keybearer.DefaultProject, draft, secret.New(text))
		return err
	})
	switch {
	case err != nil && given:
		return fmt.Errorf("%s: %w", apiKeyVariable, err)
	case err != nil:
		return err
	case given:
		e.warnOfKeys(key, before)
	default:
		_, _ = fmt.Fprintf(announce, "API key (shown this once): %s\n", text)
	}
	return nil
}

// warnOfKeys tells where the key in the environment is not what it seems to be.
func (e *Engine) warnOfKeys(key keybearer.Key, before []keybearer.Key) {
	switch {
	case !key.RevokedAt.IsZero():
		e.log.Warn("the key in "+apiKeyVariable+" was revoked and is refused: put another one there", "key", key.ID)
		return
	case key.Scope != keybearer.ScopeAdmin:
		e.log.Warn("the key in "+apiKeyVariable+" is known with another scope, which it keeps", "key", key.ID, "name", key.Name, "scope", key.Scope)
		return
	}
	for _, former := range before {
		if former.Name == environmentKey && former.ID != key.ID && former.RevokedAt.IsZero() {
			e.log.Warn("a former key of " + apiKeyVariable + " is still valid; if nobody uses it any more: keybearer apikey revoke " + former.ID)
		}
	}
}

// firstAccount makes the account of the admin, unless somebody has one.
func (e *Engine) firstAccount(ctx context.Context, cfg *config.Config, announce io.Writer, patient *patience) error {
	var accounts []keybearer.Account
	if err := patient.ask(ctx, func(ctx context.Context) (err error) {
		accounts, err = e.store.Accounts(ctx, keybearer.DefaultProject)
		return err
	}); err != nil || len(accounts) > 0 {
		return err
	}
	password, given := cfg.Env(passwordVariable)
	if given = given && password != ""; !given {
		password = rand.Text()
	}
	if err := patient.ask(ctx, func(ctx context.Context) error {
		_, err := e.broker.PutAccount(ctx, keybearer.DefaultProject, adminUser, secret.New(password), true)
		return err
	}); err != nil {
		return fmt.Errorf("%s: %w", passwordVariable, err)
	}
	if !given {
		_, _ = fmt.Fprintf(announce, "Sign-in at %s/login (shown this once): user %s, password %s\n", e.public, adminUser, password)
	}
	return nil
}
