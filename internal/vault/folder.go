package vault

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"

	"github.com/keybearer/keybearer"
)

const (
	homeVariable = "KEYBEARER_HOME"
	lockFile     = "vault.lock"

	ownerOnly       = 0o600
	ownerOnlyFolder = 0o700
	// lockPause is how often one that waits for the lock looks again.
	lockPause = 20 * time.Millisecond
)

// folder finds the data folder: the one that is named, or the platform's (XDG base directories; Apple's and
// Microsoft's folder for the data of applications).
func folder(cfg Config) (string, error) {
	dir := cfg.Dir
	if dir == "" {
		dir, _ = cfg.Env(homeVariable)
	}
	if dir != "" {
		return filepath.Abs(dir)
	}
	return platformFolder(runtime.GOOS, cfg.Env)
}

func platformFolder(system string, env func(string) (string, bool)) (string, error) {
	base, below := "HOME", []string{".local", "share", "keybearer"}
	switch system {
	case "windows":
		base, below = "LOCALAPPDATA", []string{"keybearer"}
	case "darwin":
		below = []string{"Library", "Application Support", "keybearer"}
	default:
		if dir, _ := env("XDG_DATA_HOME"); filepath.IsAbs(dir) { // a relative one is to be ignored, says XDG
			return filepath.Join(dir, "keybearer"), nil
		}
	}
	dir, _ := env(base)
	if dir == "" {
		return "", keybearer.Errorf(keybearer.BadRequest, "there is no folder for the vault: neither %s nor %s is set", homeVariable, base)
	}
	return filepath.Join(append([]string{dir}, below...)...), nil
}

// prepareFolder makes the folder, for its owner only whatever the umask, or looks at the one that is there. One that others can
// use is repaired if nothing but a vault is in it: else it may be somebody's home, or the folder for all.
func (v *Vault) prepareFolder() error {
	info, err := os.Stat(v.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return v.makeFolder()
	}
	switch {
	case err != nil:
		return away("looking at the vault's folder", err)
	case !info.IsDir():
		return keybearer.Errorf(keybearer.BadRequest, "%s is not a folder: name another one in %s", v.dir, homeVariable)
	case runtime.GOOS == "windows" || info.Mode().Perm()&0o077 == 0: // on Windows modes say nothing
		return v.tightenFiles()
	}
	entries, err := os.ReadDir(v.dir)
	if err != nil {
		return away("looking at the vault's folder", err)
	}
	for _, e := range entries {
		if ours, _ := filepath.Match("vault.*", e.Name()); !ours {
			return keybearer.Errorf(keybearer.BadRequest, "the folder %s can be used by others (mode %04o), and has other things in it than a vault, as %s: "+
				"name a folder of its own in %s, or, if it is meant for Keybearer alone: chmod 700 %[1]s", v.dir, info.Mode().Perm(), e.Name(), homeVariable)
		}
	}
	if err := os.Chmod(v.dir, ownerOnlyFolder); err != nil {
		return away("making the vault's folder usable for its owner only", err)
	}
	v.cfg.Log.Warn("the vault's folder could be used by others; it is for its owner only now", "folder", v.dir)
	return v.tightenFiles()
}

func (v *Vault) makeFolder() error {
	if err := os.MkdirAll(v.dir, ownerOnlyFolder); err != nil {
		return away("making the vault's folder", err)
	}
	if err := os.Chmod(v.dir, ownerOnlyFolder); err != nil { // the umask may have taken from it
		return away("making the vault's folder", err)
	}
	return nil
}

// tightenFiles looks after our own files; those of the database are looked after by its room.
func (v *Vault) tightenFiles() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	for _, name := range []string{noteFile, keyFile, nextKeyFile} {
		info, err := os.Lstat(v.path(name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return away("looking at the vault's files", err)
		case !info.Mode().IsRegular():
			return keybearer.Errorf(keybearer.BadRequest, "%s is not a regular file: put back the one that was there", v.path(name))
		case info.Mode().Perm()&0o077 == 0:
			continue
		}
		if err := os.Chmod(v.path(name), ownerOnly); err != nil {
			return away("making a file of the vault readable for its owner only", err)
		}
		v.cfg.Log.Warn("a file of the vault could be read by others; it is for its owner only now. If others have access to this machine: keybearer rekey",
			"file", v.path(name))
	}
	return nil
}

// alone does something while no other process makes, changes or removes root keys. The lock is the operating
// system's, and ends with the process.
func (v *Vault) alone(ctx context.Context, do func() error) (err error) {
	lock := flock.New(v.path(lockFile), flock.SetPermissions(ownerOnly))
	if _, err := lock.TryLockContext(ctx, lockPause); err != nil {
		if ctx.Err() != nil {
			return keybearer.Errorf(keybearer.Unavailable, "another keybearer is making or changing the key of this vault: end that one first (%w)", ctx.Err())
		}
		return away("locking the vault", err)
	}
	defer func() { err = errors.Join(err, lock.Unlock()) }()
	return do()
}

// replace writes a file as a whole or not at all, readable for its owner only, and makes sure that it is on the disk.
func (v *Vault) replace(name string, content []byte) (err error) {
	part := v.path(name + "." + rand.Text()[:8])
	defer func() {
		if err != nil {
			_ = os.Remove(part)
			err = away("writing "+v.path(name), err)
		}
	}()
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Chmod(ownerOnly)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(part, v.path(name)); err != nil {
		return err
	}
	return v.syncFolder()
}

// syncFolder makes sure that names are on the disk.
func (v *Vault) syncFolder() error {
	if runtime.GOOS == "windows" { // which cannot
		return nil
	}
	dir, err := os.Open(v.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// away gives an error of the file system its kind.
func away(doing string, err error) error {
	return &keybearer.Error{Kind: keybearer.Unavailable, Op: doing, Err: fmt.Errorf("check the disk's space, and the owner and the permissions there (%w)", err)}
}

// Folder tells where the person's vault is, without opening it: $KEYBEARER_HOME, or the platform's place for data.
func Folder(env func(name string) (string, bool)) (string, error) { return folder(Config{Env: env}) }
