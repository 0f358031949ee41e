package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"
)

// maxIdleWAL is what the WAL file may keep of the disk after a burst of writes.
const maxIdleWAL = 8 << 20

func sqliteDialect() *dialect {
	return &dialect{
		now:     "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
		tables:  "SELECT count(*), count(CASE WHEN name = $1 THEN 1 END) FROM sqlite_master WHERE type = 'table'",
		bunch:   1,
		notOurs: "name another file, or move this one away",
		migrations: func() (goose.Dialect, []goose.ProviderOption, error) {
			return goose.DialectSQLite3, nil, nil
		},
		alone:    func(context.Context, *sql.Tx, string) error { return nil },
		diagnose: diagnoseSQLite,
		detail:   func(err error) error { return err },
		fate:     func(error) fate { return settled },
		telling:  func(text, _, _ string) string { return text }, // nobody listens to a file
	}
}

type use int

const (
	reading use = iota
	writing
	filling // a new file, which is thrown away if anything fails
	still   // a file that nobody writes any more
)

// openSQLite makes a pool of connections to a file. It does not touch the file yet.
func openSQLite(path string, busy time.Duration, size int, as use) (*pool, error) {
	connector, err := connectSQLite(path, busy, as)
	if err != nil {
		return nil, err
	}
	p := &pool{DB: sql.OpenDB(connector), dialect: sqliteDialect(), turn: make(chan struct{}, size)}
	p.SetMaxOpenConns(size)
	p.SetMaxIdleConns(size)
	return p, nil
}

func connectSQLite(path string, busy time.Duration, as use) (driver.Connector, error) {
	name, err := sqliteURI(path, busy, as)
	if err != nil {
		return nil, err
	}
	return sqlite.NewConnector(name)
}

// sqliteURI writes the data source name (sqlite.org/uri.html and the driver's own parameters).
func sqliteURI(path string, busy time.Duration, as use) (string, error) {
	full, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", path, err)
	}
	wait := fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()) // first, so that the others wait, too
	pragmas := []string{
		wait,
		"journal_mode(WAL)",
		"synchronous(FULL)",
		"foreign_keys(1)",
		"secure_delete(1)",
		"trusted_schema(0)",
		fmt.Sprintf("journal_size_limit(%d)", maxIdleWAL),
	}
	query := url.Values{}
	switch as {
	case writing:
		// A transaction that begins as a reader and then wants to write fails at once when another
		// has written meanwhile; one that begins as the writer waits its turn.
		query.Set("_txlock", "immediate")
	case reading:
		pragmas = append(pragmas, "query_only(1)")
	case filling:
		pragmas = []string{wait, "journal_mode(MEMORY)", "synchronous(OFF)", "trusted_schema(0)", "cache_size(-32768)"}
	case still:
		// Nothing is locked, and nothing made beside the file: it may be on a disk that cannot be written.
		query.Set("mode", "ro")
		query.Set("immutable", "1")
		pragmas = []string{"query_only(1)", "trusted_schema(0)"}
	}
	query["_pragma"] = pragmas
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(full), OmitHost: true, RawQuery: query.Encode()}).String(), nil
}
