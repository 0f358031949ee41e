package sqlstore

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"

	"github.com/keybearer/keybearer"
)

// dialect is all that differs between the databases once they are open. Whatever else is SQL in this
// package is one text for both.
type dialect struct {
	// now is an expression for the database's own clock, in microseconds since 1970.
	now string
	// tables counts the tables that are there, and those that are called $1.
	tables string
	// passOver ends a SELECT of rows that are about to be written: those that others write just now are
	// left out, rather than waited for.
	passOver string
	// alone makes a transaction wait until it is the only one that works on something, which has no row
	// to lock. Where one connection writes it always is.
	alone func(ctx context.Context, tx *sql.Tx, something string) error
	// lockTables makes a transaction the only one that reads or writes tables, to the end; the
	// text has a place for their names. It is empty where a transaction that writes is alone anyway.
	lockTables string
	// bunch is how many rows a copy writes with one statement: over a network a statement for each would
	// cost more than all the rest, and in the process one with many parameters does.
	bunch int
	// notOurs is what to do about a database of another program.
	notOurs string
	// migrations prepares goose for this database.
	migrations func() (goose.Dialect, []goose.ProviderOption, error)
	// diagnose gives an error of the driver its kind, and advice for the person who runs the database
	// of this name. Without advice the error is not one that it knows.
	diagnose func(name string, err error) (keybearer.Kind, string)
	// detail is what the driver says, as it may be shown behind the advice.
	detail func(err error) error
	// fate says what became of a call that ended in an error of the driver.
	fate func(err error) fate
	// telling makes a statement tell the engines that listen on a channel (see Listen) that it changed
	// rows: in its own transaction, and for each row the text in a column.
	telling func(text, channel, column string) string
}

// fate is what became of a call that ended in an error.
type fate int

const (
	// settled: the error is the database's answer.
	settled fate = iota
	// undone: the database took it all back for the sake of others; it may be tried again.
	undone
	// cut: the connection broke. A read may be tried again; whether a write was done is not known.
	cut
)
