package interop_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// withKeyring runs a script in a session of its own, in which GNOME's keyring is open, and ends that with it.
const withKeyring = `printf %s "not for people" | gnome-keyring-daemon --foreground --unlock --components=secrets >/dev/null 2>&1 &
daemon=$!
until dbus-send --session --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.NameHasOwner \
	string:org.freedesktop.secrets | grep -q "boolean true"; do sleep 0.02; done
lock() {
	dbus-send --session --print-reply --dest=org.freedesktop.secrets /org/freedesktop/secrets \
		org.freedesktop.Secret.Service.Lock array:objpath:/org/freedesktop/secrets/collection/login >/dev/null
}
keybearer=$0
`

const useKeyring = `
"$keybearer" whoami && "$keybearer" rekey && "$keybearer" whoami
lock
"$keybearer" whoami
echo "with a locked keyring: $?"
kill $daemon
wait $daemon
`

// A vault keeps its key in the keyring of the session, gets another one there, and makes none when it is locked.
func TestVaultInTheKeyringOfTheSystem(t *testing.T) {
	need(t, partKeyring)
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "dbus-run-session", "--", "bash", "-c", withKeyring+useKeyring, os.Getenv(binaryVariable))
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_RUNTIME_DIR=" + home}
	out, _ := cmd.CombinedOutput() // the end is that of the daemon, which was killed
	said := string(out)
	for _, want := range []string{"key          keyring", "kept in: keyring", "unlock it", "with a locked keyring: 7"} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q:\n%s", want, said)
		}
	}
	if keys, err := filepath.Glob(filepath.Join(home, "keybearer", "vault.key*")); err != nil || len(keys) > 0 {
		t.Errorf("a key is in a file: %v, %v", keys, err)
	}
}
