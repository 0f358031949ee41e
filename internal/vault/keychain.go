package vault

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"time"

	"github.com/zalando/go-keyring"

	"github.com/keybearer/keybearer"
)

const (
	// keychainService is under which the keyring keeps the keys of vaults, each by its id.
	keychainService = "keybearer"
	keychainTime    = 30 * time.Second
)

// ErrNotInKeychain is a Keychain's error for what it does not have.
var ErrNotInKeychain = keyring.ErrNotFound

// Keychain is a keyring of the operating system. A call may wait for the person.
type Keychain interface {
	Get(service, name string) (string, error)
	Set(service, name, text string) error
	Delete(service, name string) error
}

// system is the real one.
type system struct{}

func (system) Get(service, name string) (string, error) {
	if err := sessionBus(); err != nil {
		return "", err
	}
	return keyring.Get(service, name)
}

func (system) Set(service, name, text string) error {
	if err := sessionBus(); err != nil {
		return err
	}
	return keyring.Set(service, name, text)
}

func (system) Delete(service, name string) error {
	if err := sessionBus(); err != nil {
		return err
	}
	return keyring.Delete(service, name)
}

func sessionBus() error {
	return noSessionBus(runtime.GOOS, os.Getenv("DBUS_SESSION_BUS_ADDRESS"), filepath.Join("/run/user", strconv.Itoa(os.Getuid())))
}

// noSessionBus says at once that there is no D-Bus to ask, where the library would try to start one.
func noSessionBus(system, address, dir string) error {
	if system == "windows" || system == "darwin" || address != "" {
		return nil
	}
	for _, name := range []string{"bus", "dbus-session"} { // where the library looks
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("there is no session bus: DBUS_SESSION_BUS_ADDRESS is not set, and there is none in %s", dir)
}

// inTime bounds a call of the keyring, which may wait for the person or for a service that hangs. One that is
// late goes on without us: the library cannot be told to stop.
func (v *Vault) inTime(ctx context.Context, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	timer := time.NewTimer(v.cfg.KeychainTime)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("it did not answer within %s; it may be waiting for you to unlock it", v.cfg.KeychainTime)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (v *Vault) keychainKey(ctx context.Context, id string) (rootKey, error) {
	text := make(chan string, 1)
	err := v.inTime(ctx, func() error {
		found, err := v.cfg.Keychain.Get(keychainService, id)
		text <- found
		return err
	})
	switch {
	case errors.Is(err, ErrNotInKeychain):
		return rootKey{}, keybearer.Errorf(keybearer.NotFound, "the key of the vault in %s is not in the keyring any more (%q in %q): "+
			"put it back from a backup of the keyring, or sign in as the user who made the vault; nothing was changed", v.dir, id, keychainService)
	case err != nil:
		return rootKey{}, keybearer.Errorf(keybearer.Unavailable, "the key of the vault in %s is in the keyring, which cannot be used: "+
			"unlock it, or run this where your session is; nothing was changed (%w)", v.dir, err)
	}
	k, err := parseRootKey(<-text)
	if err != nil || k.id != id {
		return rootKey{}, keybearer.Errorf(keybearer.PermissionDenied, "what the keyring has for the vault in %s is not the key that it was sealed with "+
			"(%q in %q): put that one back; nothing was changed", v.dir, id, keychainService)
	}
	return k, nil
}

// putKeychainKey stores a key, and reads it again: some keyrings take what they do not keep.
func (v *Vault) putKeychainKey(ctx context.Context, k rootKey) error {
	err := v.inTime(ctx, func() error { return v.cfg.Keychain.Set(keychainService, k.id, k.text.Reveal()) })
	if err != nil {
		return keybearer.Errorf(keybearer.Unavailable, "the keyring cannot be used: unlock it, or choose another custody (%w)", err)
	}
	if _, err := v.keychainKey(ctx, k.id); err != nil {
		return keybearer.Errorf(keybearer.Unavailable, "the keyring took the key of the vault and did not give it back: choose another custody (%w)", err)
	}
	return nil
}

func (v *Vault) removeKeychainKey(ctx context.Context, id string) error {
	err := v.inTime(ctx, func() error { return v.cfg.Keychain.Delete(keychainService, id) })
	if err != nil && !errors.Is(err, ErrNotInKeychain) {
		return keybearer.Errorf(keybearer.Unavailable, "the former key of the vault could not be removed from the keyring (%q in %q): unlock it and try again (%w)",
			id, keychainService, err)
	}
	return nil
}
