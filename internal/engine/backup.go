package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// BackupOptions say where a backup goes.
type BackupOptions struct {
	Path string
	// Replace permits that a file of that name goes.
	Replace bool
	// Version is the program's.
	Version string
	// Now is the time to write into it.
	Now time.Time
}

// Checked is a backup as it was found on opening it.
type Checked struct {
	sqlstore.Manifest
	Verified
}

// Backup writes a backup of a configuration's database, while engines may run on it, and then checks it
// as [CheckBackup] does. An error of the check is a [*CheckError]: the file is kept.
func Backup(ctx context.Context, cfg *config.Config, o BackupOptions) (Checked, error) {
	db, err := openDatabase(ctx, cfg, true)
	if err != nil {
		return Checked{}, err
	}
	_, err = db.Backup(ctx, o.Path, o.Replace, o.Now, o.Version)
	if err = errors.Join(err, db.Close()); err != nil {
		return Checked{}, err
	}
	found, err := CheckBackup(ctx, cfg, o.Path)
	if err != nil {
		return found, &CheckError{o.Path, err}
	}
	return found, nil
}

// CheckError says what is wrong with a backup that was written.
type CheckError struct {
	Path string
	Err  error
}

func (e *CheckError) Error() string {
	return fmt.Sprintf("%s was written, but does not stand its check: %v", e.Path, e.Err)
}

func (e *CheckError) Unwrap() error { return e.Err }

// CheckBackup opens a backup: that it is whole, and which of its values open with the configuration's
// root keys. One that is damaged, or whose root keys are missing, is an error.
func CheckBackup(ctx context.Context, cfg *config.Config, path string) (Checked, error) {
	db, found, err := openChecked(ctx, cfg, path)
	if db != nil {
		err = errors.Join(err, db.Close())
	}
	return found, err
}

// openChecked is CheckBackup, and leaves the backup open.
func openChecked(ctx context.Context, cfg *config.Config, path string) (db *sqlstore.DB, found Checked, err error) {
	if db, found.Manifest, err = sqlstore.OpenBackup(ctx, path); err != nil {
		return nil, found, err
	}
	found.Verified, err = verify(ctx, cfg, db)
	return db, found, err
}

// Restored is what a restore came to.
type Restored struct {
	Checked
	// Doubtful counts the connections whose refresh token may have been spent since the backup.
	Doubtful int64
}

// Restore fills the empty database of a configuration from a backup; see [sqlstore.DB.Restore]. No engine
// may run on it. Nothing is written unless the backup stands its check and its root keys are here; single
// values that do not open are restored as they are.
func Restore(ctx context.Context, cfg *config.Config, path string, now time.Time) (Restored, error) {
	backup, found, err := openChecked(ctx, cfg, path)
	if backup != nil {
		defer backup.Close()
	}
	if err != nil {
		return Restored{Checked: found}, err
	}
	db, err := openDatabase(ctx, cfg, false)
	if err != nil {
		return Restored{Checked: found}, err
	}
	done, err := db.Restore(ctx, backup, found.Manifest, operators(keybearer.ActionRestore, now,
		"from a backup of "+found.At.Format(time.RFC3339)))
	return Restored{found, done.Doubtful}, errors.Join(err, db.Close())
}

// operators is an event that a tool at the database brings about.
func operators(action string, now time.Time, reason string) keybearer.Event {
	return keybearer.Event{
		Time: now, Project: keybearer.DefaultProject, Actor: "operator", Action: action, Outcome: "ok", Reason: reason,
	}
}
