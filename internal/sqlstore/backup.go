package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/keybearer/keybearer"
)

// Manifest says what a backup is of.
type Manifest struct {
	// At is when its snapshot was taken.
	At time.Time
	// Program is the version that wrote it.
	Program  string
	Contents Contents
}

// Backup writes what is stored at this moment into a new SQLite file, of the same schema whatever
// kind of database this is, while others read and write. Attempts, sessions and leases are left out:
// they are worth nothing later. The values stay sealed: the file is of use only with the root keys.
//
// The file is readable by its owner only, and on the disk when Backup returns. It appears at once as a
// whole: until then it has another name beside it. One that is there already is a Conflict, unless
// replace is set. Rows are read in small portions, so memory does not grow with them.
func (db *DB) Backup(ctx context.Context, path string, replace bool, now time.Time, program string) (Manifest, error) {
	m := Manifest{At: now.UTC().Truncate(time.Microsecond), Program: program}
	err := wholeFile(path, replace, func(temporary string) error { return db.backupInto(ctx, temporary, &m) })
	if err != nil {
		return Manifest{}, db.failure("making the backup "+path, err)
	}
	return m, nil
}

// wholeFile lets write make a file under another name, and gives it its own when it is on the disk.
func wholeFile(path string, replace bool, write func(temporary string) error) (err error) {
	free := func() error {
		if _, err := os.Lstat(path); err == nil && !replace {
			return keybearer.Errorf(keybearer.Conflict, "%s exists already: choose another name, or replace it with --force", path)
		}
		return nil
	}
	if err := free(); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*.partial") // mode 0600
	if err != nil {
		return fmt.Errorf("making the file: %w", err)
	}
	temporary := file.Name()
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary))
		}
	}()
	defer file.Close()
	if err := write(temporary); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("bringing it to the disk: %w", err)
	}
	if err := free(); err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return err
	}
	return syncFolder(path)
}

// syncFolder brings a file's name to the disk.
func syncFolder(file string) error {
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func (db *DB) backupInto(ctx context.Context, path string, m *Manifest) (err error) {
	file := newDB(Config{Path: path})
	if file.write, err = openSQLite(path, defaultBusyTimeout, 1, filling); err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, file.Close()); err != nil {
			err = file.failure("writing the file", err)
		}
	}()
	if err := migrate(ctx, file.write.DB, file.dialect, path); err != nil {
		return err
	}
	from, err := db.snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = from.Rollback() }()
	to, err := file.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = to.Rollback() }()
	if m.Contents, err = copyTables(ctx, from, to, file.dialect, false); err != nil {
		return err
	}
	if err := (&mark{State: markBackup, At: m.At, Program: m.Program, Contents: m.Contents}).put(ctx, to); err != nil {
		return err
	}
	return to.Commit()
}

// OpenBackup opens a file that [DB.Backup] wrote, for reading, and checks it: that the file is not
// damaged, and that everything is in it that its manifest says. One of an older version of Keybearer
// is migrated, in a copy that goes when the DB is closed.
//
// A file that is no backup, or of a newer version, is BadRequest; one that is damaged is Internal.
func OpenBackup(ctx context.Context, path string) (*DB, Manifest, error) {
	db := newDB(Config{Path: path})
	m, err := db.openBackup(ctx)
	if err != nil {
		return nil, Manifest{}, errors.Join(db.failure("opening the backup "+path, err), db.Close())
	}
	return db, m, nil
}

func (db *DB) openBackup(ctx context.Context) (Manifest, error) {
	if err := db.openReaders(ctx, Config{Path: db.name}, still); err != nil {
		return Manifest{}, err
	}
	version, err := schemaVersion(ctx, db.lists.DB, db.dialect, db.name)
	switch {
	case err != nil:
		return Manifest{}, err
	case version > latestSchema:
		return Manifest{}, newerSchema(db.name, version)
	case version == 0:
		return Manifest{}, keybearer.Errorf(keybearer.BadRequest, "%s is no backup: name a file that `keybearer backup` has written", db.name)
	}
	m, err := readMark(ctx, db.lists)
	if err != nil {
		return Manifest{}, err
	}
	if m == nil || m.State != markBackup {
		return Manifest{}, keybearer.Errorf(keybearer.BadRequest, "%s is the database of an engine, and not a backup: "+
			"make one of it with `keybearer backup`; without that, nobody knows from when its refresh tokens are", db.name)
	}
	if err := db.intact(ctx, m.Contents); err != nil {
		return Manifest{}, err
	}
	manifest := Manifest{At: m.At, Program: m.Program, Contents: m.Contents}
	if version == latestSchema {
		return manifest, nil
	}
	return manifest, db.stage(ctx)
}

// intact compares the file with what was written into it. Tables that its version did not know yet
// are not asked for.
func (db *DB) intact(ctx context.Context, want Contents) error {
	rows, err := db.lists.QueryContext(ctx, "PRAGMA integrity_check(1)")
	if err != nil {
		return err
	}
	verdicts, err := collect(rows, func(row scanner) (verdict string, err error) { return verdict, row.Scan(&verdict) })
	if err != nil {
		return err
	}
	if len(verdicts) != 1 || verdicts[0] != "ok" {
		return keybearer.Errorf(keybearer.Internal, "the file is damaged (%q): take another backup", verdicts)
	}
	tx, err := db.snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	got := Contents{}
	for _, t := range copiedTables() { // the names in the file are only words
		if _, there := want[t.name]; !there {
			continue
		}
		if got[t.name], err = eachRow(ctx, tx, t.name, nil); err != nil {
			return err
		}
	}
	if err := differences(want, got); err != nil {
		return keybearer.Errorf(keybearer.Internal, "the file is not as it was written: %w. Take another backup", err)
	}
	return nil
}

// stage migrates a copy, and reads from that.
func (db *DB) stage(ctx context.Context) (err error) {
	if err := errors.Join(db.points.Close(), db.lists.Close()); err != nil {
		return err
	}
	if db.staged, err = os.MkdirTemp("", "keybearer-"); err != nil {
		return fmt.Errorf("making a folder to migrate the backup in: %w", err)
	}
	staged := filepath.Join(db.staged, "keybearer.sqlite3")
	if err := copyFile(db.name, staged); err != nil {
		return fmt.Errorf("copying the backup to migrate it: %w", err)
	}
	writer, err := openSQLite(staged, defaultBusyTimeout, 1, filling)
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(ctx, writer.DB, writer.dialect, db.name), writer.Close()); err != nil {
		return err
	}
	return db.openReaders(ctx, Config{Path: staged}, still)
}

func copyFile(from, to string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
