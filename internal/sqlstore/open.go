package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// Config says which database to open and how.
type Config struct {
	// Path is the SQLite file. Its folder is made if it is missing. Files are readable by their
	// owner only, whatever the umask.
	Path string
	// Exclusive keeps every other Exclusive DB away from the file while this one is open, by a lock
	// on the file "<Path>.lock". An engine sets it; with it rows are also kept in memory for reading.
	Exclusive bool
	// Lean is for a process that lives for one question: connections are as few as can be, and are opened when
	// they are needed, since opening them is most of what it would wait for.
	Lean bool
	// ReadOnly opens a database that is there, also beside the engine that runs on it, to look at it:
	// nothing is made, migrated or changed, and what would write fails.
	ReadOnly bool
	// BusyTimeout is how long a call waits for another process that writes; 0 means 5 seconds.
	BusyTimeout time.Duration
	// Postgres is the URL of a PostgreSQL database, or a list of keywords and values as libpq takes
	// them, in place of Path. The fields above say nothing about it: any number of engines share it.
	// Beside what libpq knows it takes pool_max_conns, the number of connections, by default 12.
	Postgres secret.String
	// CachedRows bounds the connections that are kept in memory, where Exclusive is set; 0 means
	// 4096 (about 16 MB with grants of 3 KB), negative none.
	CachedRows int
}

const (
	defaultBusyTimeout = 5 * time.Second
	pointReaders       = 4
	listReaders        = 2
)

func (cfg Config) busy() time.Duration {
	if cfg.BusyTimeout == 0 {
		return defaultBusyTimeout
	}
	return cfg.BusyTimeout
}

// DB is an open database. It implements every store of the root package, and is safe
// for concurrent use. Its errors are of the kinds that the stores promise; storage that is locked,
// full, read-only or failing is [keybearer.Unavailable], with a text that says what to do.
type DB struct {
	name    string // for messages: the file, or the database and its server
	dialect *dialect
	write   *pool
	points  pointReader // reads one row
	lists   *pool       // reads many
	lock    *flock.Flock
	caches  *caches
	server  *pgx.ConnConfig // nil for a file
	staged  string          // a folder that goes with it
}

// pointReader reads a row of at most one. The text must be a constant.
type pointReader interface {
	row(ctx context.Context, text string, args ...any) scanner
	Close() error
}

var (
	_ keybearer.ConnectionStore = (*DB)(nil)
	_ keybearer.UpkeepStore     = (*DB)(nil)
	_ keybearer.FlowStore       = (*DB)(nil)
	_ keybearer.AttemptStore    = (*DB)(nil)
	_ keybearer.ProviderStore   = (*DB)(nil)
	_ keybearer.KeyStore        = (*DB)(nil)
	_ keybearer.AccountStore    = (*DB)(nil)
	_ keybearer.SessionStore    = (*DB)(nil)
	_ keybearer.SettingStore    = (*DB)(nil)
	_ keybearer.Leaser          = (*DB)(nil)
)

// Open opens a database, making or migrating it as needed. Close it after use.
//
// A file that is in use by another exclusive DB is an error of kind Conflict; one that is no database
// of ours, or of a newer version of Keybearer, is BadRequest; one that cannot be read or written is
// Unavailable. A backup, and a database that was moved elsewhere, are Conflicts.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	db := newDB(cfg)
	if err := db.open(ctx, cfg); err != nil {
		return nil, errors.Join(db.failure("opening the database "+db.name, err), db.Close())
	}
	return db, nil
}

func newDB(cfg Config) *DB { return &DB{name: cfg.Path, dialect: sqliteDialect()} }

func (db *DB) open(ctx context.Context, cfg Config) (err error) {
	switch {
	case cfg.Path == "" && cfg.Postgres.IsZero():
		return keybearer.Errorf(keybearer.BadRequest, "opening the database: no path is set")
	case cfg.ReadOnly:
		err = db.openToRead(ctx, cfg)
	default:
		err = db.openToWrite(ctx, cfg)
	}
	if err != nil {
		return err
	}
	return db.unmarked(ctx)
}

func (db *DB) openToWrite(ctx context.Context, cfg Config) error {
	if !cfg.Postgres.IsZero() {
		return db.openPostgres(ctx, cfg.Postgres)
	}
	if err := prepareFolder(cfg.Path); err != nil {
		return err
	}
	if cfg.Exclusive {
		lock, err := lockFile(cfg.Path)
		if err != nil {
			return err
		}
		db.lock = lock
	}
	if err := prepareFile(cfg.Path); err != nil {
		return err
	}
	busy := cfg.busy()
	var err error
	if db.write, err = openSQLite(cfg.Path, busy, 1, writing); err != nil {
		return err
	}
	db.write.group = new(group)
	if db.lists, err = openSQLite(cfg.Path, busy, listReaders, reading); err != nil {
		return err
	}
	if cfg.Exclusive {
		err = migrate(ctx, db.write.DB, db.dialect, cfg.Path)
	} else {
		err = db.migrateAmongOthers(ctx, cfg)
	}
	if err != nil {
		return err
	}
	if db.points, err = db.pointReader(cfg); err != nil {
		return err
	}
	if err := db.Ping(ctx); err != nil {
		return err
	}
	db.caches = newCaches(cfg)
	return nil
}

func (db *DB) pointReader(cfg Config) (pointReader, error) {
	if cfg.Lean {
		return db.lists, nil
	}
	connector, err := connectSQLite(cfg.Path, cfg.busy(), reading)
	if err != nil {
		return nil, err
	}
	return newPoints(connector, pointReaders), nil
}

// Name is what messages call the database: its file, or its name and server.
func (db *DB) Name() string { return db.name }

// Close ends all work and gives the file free. It is safe to call more than once.
func (db *DB) Close() error {
	var errs []error
	// The writer goes last: whoever closes the last connection folds the WAL into the file.
	if db.points != nil {
		errs = append(errs, db.points.Close())
	}
	for _, p := range []*pool{db.lists, db.write} {
		if p != nil {
			errs = append(errs, p.Close())
		}
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Unlock())
	}
	if db.staged != "" {
		errs = append(errs, os.RemoveAll(db.staged))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the database %s: %w", db.name, err)
	}
	return nil
}

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error {
	var one int
	if err := db.points.row(ctx, "SELECT 1").Scan(&one); err != nil {
		return db.failure("asking the database", err)
	}
	return nil
}
