package sqlstore

import (
	"errors"
	"io/fs"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/keybearer/keybearer"
)

func diagnoseSQLite(path string, err error) (keybearer.Kind, string) {
	if errors.Is(err, fs.ErrPermission) {
		return keybearer.Unavailable, "this user may not use " + path + ": check the owner and the permissions of the file and its folder"
	}
	failed, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		return keybearer.Internal, ""
	}
	switch failed.Code() & 0xff { // the upper bits say more, see sqlite.org/rescode.html
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return keybearer.Unavailable, "the database " + path + " is locked by another program: end what has it open, or try again"
	case sqlite3.SQLITE_FULL:
		return keybearer.Unavailable, "no space is left for the database " + path + ": make room on its disk; nothing that was stored is lost"
	case sqlite3.SQLITE_IOERR:
		return keybearer.Unavailable, "the disk under the database " + path + " fails or is full: check its space and its health"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return keybearer.Unavailable, "the database " + path + " cannot be written: check the permissions of the file and its folder, and that the disk is not mounted read-only"
	case sqlite3.SQLITE_CANTOPEN:
		return keybearer.Unavailable, "the database " + path + " cannot be opened: check that it and its folder exist and that this user may use them"
	case sqlite3.SQLITE_CONSTRAINT:
		return keybearer.Conflict, "another row is in the way"
	case sqlite3.SQLITE_NOTADB:
		return keybearer.BadRequest, path + " is not a database: name another file, or move this one away"
	case sqlite3.SQLITE_CORRUPT:
		return keybearer.Internal, "the database " + path + " is damaged: stop the engine, keep a copy of the file, and restore a backup"
	case sqlite3.SQLITE_NOMEM:
		return keybearer.Unavailable, "no memory is left"
	}
	return keybearer.Internal, ""
}
