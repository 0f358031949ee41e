//go:build unix

package vault_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/vault"
)

// unlocked runs a program in a session of its own that has a keyring, which is open, and which ends with it.
const unlocked = `printf %s "not for people" | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
daemon=$!
until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
	string:org.freedesktop.secrets | grep -q "boolean true"; do sleep 0.02; done
"$0" "$@"
code=$?
kill $daemon
wait $daemon
exit $code`

// lock locks the keyring of the session.
const lock = "dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets " +
	"org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login"

// realKeyring uses the keyring of the session that it is in.
func realKeyring(ctx context.Context, h *home) error {
	cfg := h.config()
	cfg.Keychain, cfg.KeychainTime = nil, 20*time.Second
	delete(h.Env, vault.KeyVariable)
	ids := map[string]bool{}
	for range 3 {
		v, err := vault.Open(ctx, cfg)
		if err != nil {
			return err
		}
		if got := v.Custody(); got != vault.Keyring {
			return fmt.Errorf("the custody is %s", got)
		}
		keys, err := v.View().SealingKeys(ctx)
		if err != nil {
			return err
		}
		ids[keys[0].ID] = true
		if err := errors.Join(v.Rekey(ctx, ""), v.Close(ctx)); err != nil {
			return err
		}
	}
	if len(ids) != 3 {
		return fmt.Errorf("%d root keys were in use, want a new one each time", len(ids))
	}
	if out, err := exec.CommandContext(ctx, "sh", "-c", lock).CombinedOutput(); err != nil {
		return fmt.Errorf("locking the keyring: %w: %s", err, out)
	}
	cfg.KeychainTime = time.Second
	v, err := vault.Open(ctx, cfg)
	if err == nil {
		return errors.Join(errors.New("it opened while the keyring was locked"), v.Close(ctx))
	}
	if !errors.Is(err, keybearer.Unavailable) || !strings.Contains(err.Error(), "unlock it") {
		return fmt.Errorf("with a locked keyring: got %w, want unavailable that says what to do", err)
	}
	fmt.Println("done")
	return nil
}

func TestKeyringOfTheSystem(t *testing.T) {
	for _, name := range []string{"dbus-run-session", "gnome-keyring-daemon", "dbus-send"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("there is no %s here, with which a real keyring would be tried: apt-get install dbus gnome-keyring", name)
		}
	}
	h := newHome(t)
	p := prepare(t, "keyring", h, "dbus-run-session", "--", "sh", "-c", unlocked)
	here := t.TempDir()
	p.Env = append(p.Env, "HOME="+here, "XDG_DATA_HOME="+here, "XDG_RUNTIME_DIR="+here)
	p.run(t)
	p.hear(t, "done")
	p.wait(t)
	if _, err := os.Stat(h.path("vault.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking for a key in a file: %v", err)
	}
}
