package engine

import (
	"context"

	"github.com/keybearer/keybearer/internal/config"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// Verified says which sealed values of a database open with the root keys of a configuration.
type Verified struct {
	// Opened counts by table.
	Opened map[string]int
	// Closed are those that do not open, the first 100 by name.
	Closed []Closed
	// NotOpened counts all of them.
	NotOpened int
}

// Closed is a sealed value that does not open: it was changed, or stands in another row than it was
// sealed for.
type Closed struct {
	Table, Row string
	Err        error
}

const maxNamedClosed = 100

// verify opens every sealed value in turn, and keeps none. A root key that is missing or wrong is an error.
func verify(ctx context.Context, cfg *config.Config, db *sqlstore.DB) (Verified, error) {
	v := Verified{Opened: map[string]int{}}
	keys, err := OpenKeys(ctx, cfg, db)
	if err != nil {
		return v, err
	}
	for value, err := range db.Sealed(ctx) {
		if err != nil {
			return v, err
		}
		if _, err := keys.Open(value.Value, value.Place); err != nil {
			if v.NotOpened++; len(v.Closed) < maxNamedClosed {
				v.Closed = append(v.Closed, Closed{value.Table, value.Row, err})
			}
			continue
		}
		v.Opened[value.Table]++
	}
	return v, nil
}
