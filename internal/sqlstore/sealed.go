package sqlstore

import (
	"context"
	"fmt"
	"iter"

	"github.com/keybearer/keybearer/seal"
)

// Sealed is a sealed value and where it stands.
type Sealed struct {
	Table, Row string
	Value      seal.Value
	// Place is what the value is bound to.
	Place []byte
}

const (
	connectionsSealed = `SELECT ` + connectionColumns + ` FROM connections WHERE sealed_grant IS NOT NULL`
	flowsSealed       = `SELECT ` + flowColumns + ` FROM flows WHERE sealed_grant IS NOT NULL`
	attemptsSealed    = `SELECT ` + attemptColumns + ` FROM attempts WHERE sealed_verifier IS NOT NULL`
	providersSealed   = `SELECT ` + providerColumns + ` FROM providers WHERE sealed_secret IS NOT NULL`
	workersSealed     = `SELECT ` + workerColumns + ` FROM workers WHERE sealed_secret IS NOT NULL`
	secretsSealed     = `SELECT ` + secretColumns + ` FROM tool_secrets WHERE sealed_value IS NOT NULL`
	runsSealed        = `SELECT ` + runColumns + ` FROM scheduled_runs WHERE sealed_content IS NOT NULL`
)

// Sealed gives every sealed value that is bound to a row of the root package, one by one. An error
// is the last thing that it gives. What the engine seals for itself, it knows.
func (db *DB) Sealed(ctx context.Context) iter.Seq2[Sealed, error] {
	return func(yield func(Sealed, error) bool) {
		_ = each(ctx, db, yield, connectionsSealed, func(row scanner) (Sealed, error) {
			c, err := scanConnection(row)
			return Sealed{"connections", string(c.ID), c.Grant, c.GrantPlace()}, err
		}) && each(ctx, db, yield, providersSealed, func(row scanner) (Sealed, error) {
			p, err := scanProvider(row)
			return Sealed{"providers", string(p.ID), p.ClientSecret, p.SecretPlace()}, err
		}) && each(ctx, db, yield, flowsSealed, func(row scanner) (Sealed, error) {
			f, err := scanFlow(row)
			return Sealed{"flows", string(f.ID), f.Grant, f.GrantPlace()}, err
		}) && each(ctx, db, yield, attemptsSealed, func(row scanner) (Sealed, error) {
			a, err := scanAttempt(row)
			return Sealed{"attempts", fmt.Sprintf("of flow %s", a.Flow), a.Verifier, a.VerifierPlace()}, err
		}) && each(ctx, db, yield, workersSealed, func(row scanner) (Sealed, error) {
			w, err := scanWorker(row)
			return Sealed{"workers", string(w.ID), w.Secret, w.SecretPlace()}, err
		}) && each(ctx, db, yield, secretsSealed, func(row scanner) (Sealed, error) {
			s, err := scanSecret(row)
			return Sealed{"tool_secrets", s.Key, s.Value, s.ValuePlace()}, err
		}) && each(ctx, db, yield, runsSealed, func(row scanner) (Sealed, error) {
			r, err := scanRun(row)
			return Sealed{"scheduled_runs", string(r.ID), r.Content, r.ContentPlace()}, err
		})
	}
}

// each gives the rows of one query, and reports whether more is wanted.
func each(ctx context.Context, db *DB, yield func(Sealed, error) bool, text string, scan func(scanner) (Sealed, error)) bool {
	fail := func(err error) bool {
		yield(Sealed{}, db.failure("reading the sealed values", err))
		return false
	}
	rows, err := db.lists.QueryContext(ctx, text)
	if err != nil {
		return fail(err)
	}
	defer rows.Close()
	for rows.Next() {
		value, err := scan(rows)
		if err != nil {
			return fail(err)
		}
		if !yield(value, nil) {
			return false
		}
	}
	if err := rows.Err(); err != nil {
		return fail(err)
	}
	return true
}
