package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/keybearer/keybearer"
)

// failure gives an error of the database its kind and, where a person can do something, the advice.
// Errors that have a kind already, and those of a context, pass through.
func (db *DB) failure(doing string, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*keybearer.Error](err); ok {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	kind, advice := db.diagnose(err)
	if advice != "" {
		err = fmt.Errorf("%s (%w)", advice, err)
	}
	return &keybearer.Error{Kind: kind, Op: doing, Err: err}
}

func (db *DB) diagnose(err error) (keybearer.Kind, string) {
	if errors.Is(err, fs.ErrPermission) {
		return keybearer.Unavailable, "this user may not use " + db.path + ": check the owner and the permissions of the file and its folder"
	}
	if errors.Is(err, sql.ErrConnDone) || err.Error() == "sql: database is closed" {
		return keybearer.Unavailable, "the database is closed"
	}
	failed, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return keybearer.Internal, ""
	}
	switch failed.Code() & 0xff { // the upper bits say more, see sqlite.org/rescode.html
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return keybearer.Unavailable, "the database " + db.path + " is locked by another program: end what has it open, or try again"
	case sqlite3.SQLITE_FULL:
		return keybearer.Unavailable, "no space is left for the database " + db.path + ": make room on its disk; nothing that was stored is lost"
	case sqlite3.SQLITE_IOERR:
		return keybearer.Unavailable, "the disk under the database " + db.path + " fails or is full: check its space and its health"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return keybearer.Unavailable, "the database " + db.path + " cannot be written: check the permissions of the file and its folder, and that the disk is not mounted read-only"
	case sqlite3.SQLITE_CANTOPEN:
		return keybearer.Unavailable, "the database " + db.path + " cannot be opened: check that it and its folder exist and that this user may use them"
	case sqlite3.SQLITE_CONSTRAINT:
		return keybearer.Conflict, "another row is in the way"
	case sqlite3.SQLITE_NOTADB:
		return keybearer.BadRequest, db.path + " is not a database: name another file, or move this one away"
	case sqlite3.SQLITE_CORRUPT:
		return keybearer.Internal, "the database " + db.path + " is damaged: stop the engine, keep a copy of the file, and restore a backup"
	case sqlite3.SQLITE_NOMEM:
		return keybearer.Unavailable, "no memory is left"
	}
	return keybearer.Internal, ""
}
