package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

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
		err = fmt.Errorf("%s (%w)", advice, db.dialect.detail(err))
	}
	return &keybearer.Error{Kind: kind, Op: doing, Err: err}
}

func (db *DB) diagnose(err error) (keybearer.Kind, string) {
	switch {
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed":
		return keybearer.Unavailable, "the database is closed"
	case errors.Is(err, errBusy):
		return keybearer.Unavailable, "too much waits for the database: try again, and look at why it is slow"
	case errors.Is(err, errLate):
		return keybearer.Unavailable, "the database does not answer: check that its server runs, and the way to it"
	}
	return db.dialect.diagnose(db.name, err)
}
