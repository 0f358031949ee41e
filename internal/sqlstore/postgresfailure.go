package sqlstore

import (
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/keybearer/keybearer"
)

// diagnosePostgres reads the codes of appendix A of PostgreSQL's manual.
func diagnosePostgres(_ string, err error) (keybearer.Kind, string) {
	failed, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		if postgresFate(err) == cut {
			return keybearer.Unavailable, "the PostgreSQL database cannot be reached: check that the server runs, and the way to it"
		}
		return keybearer.Internal, ""
	}
	switch failed.Code {
	case "53100": // disk_full
		return keybearer.Unavailable, "no space is left at the PostgreSQL server: make room on its disk; nothing that was stored is lost"
	case "53200": // out_of_memory
		return keybearer.Unavailable, "no memory is left at the PostgreSQL server"
	case "53300": // too_many_connections
		return keybearer.Unavailable, "the PostgreSQL server has no connection left: raise its max_connections, or lower " + poolSizeOption + " in the URL of each engine"
	case "25006": // read_only_sql_transaction
		return keybearer.Unavailable, adviceReadOnly
	case "22021", "22P05": // character_not_in_repertoire, untranslatable_character
		return keybearer.BadRequest, "PostgreSQL does not keep texts with zero bytes or broken characters"
	case "54000": // program_limit_exceeded: a value that is longer than what an index takes
		return keybearer.BadRequest, "a value is too long for PostgreSQL"
	case "3D000": // invalid_catalog_name
		return keybearer.Unavailable, "the PostgreSQL database does not exist: make it with createdb, with the encoding UTF8"
	case "3F000": // invalid_schema_name
		return keybearer.Unavailable, "there is no schema to use in the PostgreSQL database: make the one that search_path names"
	case "42501": // insufficient_privilege
		return keybearer.Unavailable, "the PostgreSQL user may not do that: make it the owner of the database, or of the schema in its search_path"
	case "XX001", "XX002": // data_corrupted, index_corrupted
		return keybearer.Internal, "the PostgreSQL database is damaged: stop the engines, keep a copy of its files, and restore a backup"
	}
	switch failed.Code[:2] {
	case "08", "57": // the connection; an operator, or a server that starts or ends
		return keybearer.Unavailable, "the PostgreSQL server ended the call: it starts, stops, or somebody cut it off; try again"
	case "23": // integrity
		return keybearer.Conflict, "another row is in the way"
	case "28": // authorization
		return keybearer.Unavailable, "the PostgreSQL server refuses the user: check user, password and sslmode of the URL, and pg_hba.conf at the server"
	case "40", "55": // rolled back for the sake of others; an object that is in use
		return keybearer.Unavailable, "others were in the way in the PostgreSQL database: try again"
	case "53", "58": // resources; the system below
		return keybearer.Unavailable, "the PostgreSQL server lacks something, or its system fails: look at its log"
	}
	return keybearer.Internal, ""
}

// postgresFate knows a broken connection by what the driver and the network say of it, and by the last
// words of a server that ends it.
func postgresFate(err error) fate {
	if failed, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch failed.Code {
		case "40001", "40P01": // serialization_failure, deadlock_detected
			return undone
		case "57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
			return cut
		}
		if failed.Code[:2] == "08" {
			return cut
		}
		return settled
	}
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	if connecting || network || errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		return cut
	}
	return settled
}

// withoutPlace is an error whose text leaves out where the server is and who we are there: such texts
// reach whoever calls the API, also without a key. The log of the start names the place.
type withoutPlace struct {
	error
	text string
}

func (e withoutPlace) Error() string { return e.text }

func (e withoutPlace) Unwrap() error { return e.error }

// placeless takes the place out of what the driver and the network say.
func placeless(err error) error {
	if _, ok := errors.AsType[*pgconn.PgError](err); ok {
		return err
	}
	if failed, ok := errors.AsType[*net.DNSError](err); ok {
		return withoutPlace{err, failed.Err}
	}
	if failed, ok := errors.AsType[syscall.Errno](err); ok {
		return withoutPlace{err, failed.Error()}
	}
	if postgresFate(err) == cut {
		return withoutPlace{err, "the connection broke"}
	}
	return err
}
