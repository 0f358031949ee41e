// Package vault is one person's encrypted home on one machine: a database of the engine's own form in the
// data folder, the custody of the root key that opens it, and a Broker on top, for one person.
//
// It owns where the folder is and who may read it, where the root key is kept (see [Custody]), that there is
// never a second one by mistake, and the replacing of it ([Vault.Rekey]). Sealing and the life of data keys
// are the business of packages seal and datakey, the rows that of sqlstore, what may be done that of the root
// package. Any number of processes may have a vault open at once.
package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/internal/audit"
	"github.com/keybearer/keybearer/internal/datakey"
	"github.com/keybearer/keybearer/internal/egress"
	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/internal/sqlstore"
	"github.com/keybearer/keybearer/secret"
)

// Me is the user to whom all connections of a vault belong.
const Me keybearer.UserID = "me"

const (
	databaseFile = "vault.sqlite3"

	// Closing has a time for each part, so that a slow exchange costs no audit.
	brokerTimeout = 30 * time.Second
	auditTimeout  = 10 * time.Second
	// nowhere is where browsers reach a vault of which no door is open.
	nowhere = "http://localhost"
)

// Config says which vault to open and for whom. The zero value opens the person's own.
type Config struct {
	// Dir is the data folder; "" means $KEYBEARER_HOME, or else the platform's place for data.
	Dir string
	// Env looks up an environment variable; nil means [os.LookupEnv].
	Env func(name string) (string, bool)
	// Ask asks the person for a "passphrase of the vault", without showing it, or for a "new passphrase of the
	// vault", which it lets him type twice where he does not see it; nil: there is nobody to ask.
	Ask func(ctx context.Context, prompt string) (secret.String, error)
	// Custody is where the first use keeps the root key; "" chooses. A vault that exists keeps the one it has.
	Custody Custody
	// Keychain is the operating system's keyring; nil means the real one.
	Keychain Keychain
	// KeychainTime is how long the keyring may take, with the person's unlocking it; 0 means 30 seconds.
	KeychainTime time.Duration

	// Actor is what the audit calls who asks; "" means "cli".
	Actor string
	// PublicURL, Callback and Verification are those of [keybearer.Config]; a vault that is not reached by
	// any browser needs none.
	PublicURL    string
	Callback     string
	Verification keybearer.Verification
	// Log takes what the person should see; nil means nothing.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time

	step func(string) // is told of the steps of a rekey, for tests that break it off
}

func (cfg Config) withDefaults() Config {
	if cfg.Env == nil {
		cfg.Env = os.LookupEnv
	}
	if cfg.Keychain == nil {
		cfg.Keychain = system{}
	}
	if cfg.KeychainTime == 0 {
		cfg.KeychainTime = keychainTime
	}
	if cfg.Actor == "" {
		cfg.Actor = "cli"
	}
	if cfg.PublicURL == "" {
		cfg.PublicURL = nowhere
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = fault.Now
	}
	if cfg.step == nil {
		cfg.step = func(string) {}
	}
	return cfg
}

// Vault is an open vault. It is safe for concurrent use. Close it after use.
type Vault struct {
	cfg      Config
	dir      string
	db       *sqlstore.DB
	keys     *datakey.Keyring
	recorder *audit.Recorder
	broker   *keybearer.Broker
	custody  atomic.Value // Custody
	made     rootKey      // by this Open
	version  atomic.Int64 // of the data, when Changed last looked; 0 before, which no version is
}

// Open opens the person's vault, or makes one at the first use.
//
// A root key that cannot be had is an error that says what to do: PermissionDenied for a wrong passphrase or
// key, NotFound for one that is gone, Unavailable for a keyring that is locked or away. A vault of a newer
// Keybearer, or a damaged one, is BadRequest. Nothing is changed then.
func Open(ctx context.Context, cfg Config) (_ *Vault, err error) {
	v := &Vault{cfg: cfg.withDefaults()}
	if v.dir, err = folder(v.cfg); err != nil {
		return nil, err
	}
	if err := v.prepareFolder(); err != nil {
		return nil, err
	}
	if _, err := v.readNote(); err != nil { // before anything is made
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Close(context.WithoutCancel(ctx)))
		}
	}()
	if v.db, err = sqlstore.Open(ctx, sqlstore.Config{Path: v.path(databaseFile), Lean: true}); err != nil {
		return nil, err
	}
	if err := v.unlock(ctx); err != nil {
		return nil, err
	}
	v.recorder = audit.New(audit.Config{Sink: v.db, Log: v.cfg.Log, Now: v.cfg.Now})
	if v.broker, err = v.newBroker(); err != nil {
		return nil, err
	}
	return v, nil
}

func (v *Vault) path(name string) string { return filepath.Join(v.dir, name) }

// newBroker makes the Broker of one person. Whoever wrote a provider's endpoints is the person, too, so any
// address may be called but those where clouds hand out credentials.
func (v *Vault) newBroker() (*keybearer.Broker, error) {
	client := egress.Operator()
	client.Transport = fault.Transport(client.Transport)
	return keybearer.New(keybearer.Config{
		Connections: v.db, Flows: v.db, Attempts: v.db, Providers: v.db, Keys: v.db,
		Accounts: v.db, Sessions: v.db, Settings: v.db, Leases: v.db,
		Sealer: v.keys, Catalog: catalog.Definition, Sites: atlassian.SiteRules{},
		HTTP:      func(keybearer.Origin) *http.Client { return client },
		PublicURL: v.cfg.PublicURL, Callback: v.cfg.Callback,
		Verification: v.cfg.Verification, VerificationFixed: true, Confirm: keybearer.ConfirmNever, // the person has just said so at the terminal
		Recorder: v.recorder, Events: v.db, Log: v.cfg.Log, Now: v.cfg.Now,
	})
}

// Dir is the data folder.
func (v *Vault) Dir() string { return v.dir }

// Custody is where the root key is kept.
func (v *Vault) Custody() Custody { return v.custody.Load().(Custody) }

// Broker gives the vault's Broker.
func (v *Vault) Broker() *keybearer.Broker { return v.broker }

// View gives what the person may do: everything. The connections are those of [Me].
func (v *Vault) View() *keybearer.View {
	return v.broker.As(keybearer.Caller{Name: v.cfg.Actor, Admin: true})
}

// Store gives the database, for what no verb of a View tells: the lines of the audit.
func (v *Vault) Store() *sqlstore.DB { return v.db }

// Changed reports whether another process has written to the vault since the last call; the first call says
// so always. It costs some microseconds. What the Broker remembers is forgotten then, and new data keys are known.
func (v *Vault) Changed(ctx context.Context) (bool, error) {
	version, err := v.db.DataVersion(ctx)
	if err != nil {
		return false, err
	}
	if v.version.Swap(version) == version {
		return false, nil
	}
	v.broker.Forget()
	return true, v.keys.Reload(ctx)
}

// Tidy removes what is over, and what a [Vault.Rekey] that was broken off has left undone. Opening does not, since it is
// to be fast: call it in commands that take their time anyway.
func (v *Vault) Tidy(ctx context.Context) error {
	if _, err := v.db.Prune(ctx, v.cfg.Now(), sqlstore.Retention{Dead: -1}); err != nil {
		return err
	}
	v.keys.Tend(ctx, v.broker)
	n, err := v.readNote()
	if err != nil {
		return err
	}
	if _, err := os.Lstat(v.path(nextKeyFile)); len(n.Keys) == 1 && err != nil {
		return nil
	}
	return v.alone(ctx, func() error { return v.settle(ctx) })
}

// Close waits for exchanges and refreshes, writes the audit out, and closes the database. It may be called again.
func (v *Vault) Close(ctx context.Context) error {
	var errs []error
	if v.broker != nil {
		errs = append(errs, within(ctx, brokerTimeout, v.broker.Close))
	}
	if v.recorder != nil {
		errs = append(errs, within(ctx, auditTimeout, v.recorder.Close))
	}
	if v.db != nil {
		errs = append(errs, v.db.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the vault: %w", err)
	}
	return nil
}

func within(ctx context.Context, d time.Duration, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return do(ctx)
}
