package sqlstore

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"modernc.org/sqlite"
)

// maxIdleWAL is what the WAL file may keep of the disk after a burst of writes.
const maxIdleWAL = 8 << 20

type use int

const (
	reading use = iota
	writing
)

// openSQLite makes a pool of connections to a file. It does not touch the file yet.
func openSQLite(path string, busy time.Duration, size int, as use) (*pool, error) {
	connector, err := connectSQLite(path, busy, as)
	if err != nil {
		return nil, err
	}
	p := &pool{DB: sql.OpenDB(connector), turn: make(chan struct{}, size)}
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
	pragmas := []string{
		fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds()), // first, so that the others wait, too
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
	}
	query["_pragma"] = pragmas
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(full), OmitHost: true, RawQuery: query.Encode()}).String(), nil
}
