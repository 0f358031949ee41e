package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/keybearer/keybearer"
)

// mark is what a database says of itself, where no engine is to run on it: two that refresh the same
// grants would end them. It is a setting of no project, and copies leave it out.
type mark struct {
	State markState `json:"state"`
	At    time.Time `json:"at"`
	// To says in words where it was moved.
	To string `json:"to,omitempty"`
	// Line is the id of the line in the audit there, by which a copy is known that came to its end.
	Line string `json:"line,omitempty"`
	// Program wrote a backup.
	Program string `json:"program,omitempty"`
	// Contents is what was copied.
	Contents Contents `json:"contents,omitempty"`
}

type markState string

const (
	markBackup markState = "backup"
	markMoving markState = "moving" // the copy was about to be complete
	markMoved  markState = "moved"
)

const (
	isMark = `project = '' AND name = 'storage'`

	markRead = `SELECT value FROM settings WHERE ` + isMark

	markPut = `INSERT INTO settings (project, name, value) VALUES ('', 'storage', $1)
		ON CONFLICT (project, name) DO UPDATE SET value = excluded.value`

	markDelete = `DELETE FROM settings WHERE ` + isMark
)

// readMark gives the mark, or nil.
func readMark(ctx context.Context, db interface {
	QueryRowContext(ctx context.Context, text string, args ...any) *sql.Row
},
) (*mark, error) {
	var text string
	err := db.QueryRowContext(ctx, markRead).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading whether the database is in use: %w", err)
	}
	m := new(mark)
	if err := json.Unmarshal([]byte(text), m); err != nil {
		return nil, fmt.Errorf("reading whether the database is in use: %w", err)
	}
	return m, nil
}

func (m *mark) put(ctx context.Context, db interface {
	ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error)
},
) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("marking the database: %w", err)
	}
	_, err = db.ExecContext(ctx, markPut, string(text))
	return err
}

// refusal says why nothing runs on a database with this mark.
func (m *mark) refusal(name string) error {
	at := m.At.UTC().Format(time.RFC3339)
	switch m.State {
	case markBackup:
		return keybearer.Errorf(keybearer.Conflict, "%s is a backup, made at %s: to use it, run `keybearer restore --from` it, "+
			"which takes care of the refresh tokens that were replaced since", name, at)
	case markMoving:
		return keybearer.Errorf(keybearer.Conflict, "a move of the database %s to %s was broken off at %s, perhaps after its end: "+
			"run the same `keybearer migrate` again, or, to stay with this one, `keybearer migrate --undo`", name, m.To, at)
	}
	return keybearer.Errorf(keybearer.Conflict, "the database %s was moved to %s at %s, and is kept as it was: start the engine with that storage. "+
		"If nothing was ever done there and you want this one back: keybearer migrate --undo", name, m.To, at)
}

// unmarked wants a database that is in use, or free to be.
func (db *DB) unmarked(ctx context.Context) error {
	m, err := readMark(ctx, db.lists)
	if err != nil || m == nil {
		return err
	}
	return m.refusal(db.name)
}
