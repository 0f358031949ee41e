package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"

	"github.com/google/uuid"

	"github.com/keybearer/keybearer"
)

const (
	eventColumns = `id, project, at, actor, action, user_id, provider, connection, flow, outcome, reason, times, run, method, host, path, status, sent, received`

	eventInsert = `INSERT INTO events (` + eventColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)`

	maxEvents     = 1000
	defaultEvents = 100
)

// Event is a line of the audit as it is kept.
type Event = keybearer.RecordedEvent

// EventFilter selects lines of the audit.
type EventFilter = keybearer.EventFilter

var _ keybearer.EventStore = (*DB)(nil)

// WriteEvents writes lines of the audit, each with how often it happened, in one transaction: all or
// none.
func (db *DB) WriteEvents(ctx context.Context, events iter.Seq2[keybearer.Event, int64]) error {
	err := db.write.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		sink := &inserts{to: tx, table: "events"}
		for e, times := range events {
			id, err := eventID()
			if err != nil {
				return err
			}
			if err := sink.add(ctx, strings.Split(eventColumns, ", "), eventValues(id, e, times)); err != nil {
				return err
			}
		}
		return sink.flush(ctx)
	})
	return db.failure("writing the audit", err)
}

func eventID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("drawing an id: %w", err)
	}
	return id.String(), nil
}

func eventValues(id string, e keybearer.Event, times int64) []any {
	return []any{
		id, e.Project, micros(e.Time), e.Actor, e.Action, e.User, e.Provider, e.Connection, e.Flow, e.Outcome, e.Reason, times,
		e.Request.Run, e.Request.Method, e.Request.Host, e.Request.Path, e.Request.Status, e.Request.Sent, e.Request.Received,
	}
}

// insertEvent writes a line of the audit together with what it is about, and gives its id.
func insertEvent(ctx context.Context, tx *sql.Tx, e keybearer.Event) (string, error) {
	id, err := eventID()
	if err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, eventInsert, eventValues(id, e, 1)...)
	return id, err
}

// Events lists lines of the audit, latest first.
func (db *DB) Events(ctx context.Context, filter EventFilter) ([]Event, error) {
	var w where
	compare(&w, "project", "=", filter.Project)
	compare(&w, "actor", "=", filter.Actor)
	compare(&w, "action", "=", filter.Action)
	compare(&w, "outcome", "=", filter.Outcome)
	compare(&w, "user_id", "=", filter.User)
	compare(&w, "provider", "=", filter.Provider)
	compare(&w, "connection", "=", filter.Connection)
	compare(&w, "flow", "=", filter.Flow)
	compare(&w, "at", ">=", micros(filter.Since))
	compare(&w, "at", "<", micros(filter.Before))
	conditions, args := w.sql()
	limit := defaultEvents
	if filter.Limit > 0 {
		limit = min(filter.Limit, maxEvents)
	}
	events, err := all(ctx, db.lists, func(row scanner) (Event, error) {
		var e Event
		err := row.Scan(&e.ID, &e.Project, timeColumn{&e.Time}, &e.Actor, &e.Action, &e.User, &e.Provider, &e.Connection,
			&e.Flow, &e.Outcome, &e.Reason, &e.Times,
			&e.Request.Run, &e.Request.Method, &e.Request.Host, &e.Request.Path, &e.Request.Status, &e.Request.Sent, &e.Request.Received)
		return e, err
	}, fmt.Sprintf("SELECT %s FROM events%s ORDER BY at DESC, id DESC LIMIT %d OFFSET %d",
		eventColumns, conditions, limit, max(filter.Offset, 0)), args...)
	return events, db.failure("reading the audit", err)
}
