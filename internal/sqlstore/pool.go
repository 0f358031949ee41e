package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// pool is a set of connections with its prepared statements. Statements are prepared at their first
// use, so that starting costs nothing.
//
// A call whose context ends while it waits for its turn does nothing. Once it has begun it is brought
// to its end, whoever hangs up: so an error seldom leaves open whether a row was written, and no
// connection is lost to a caller's impatience. What bounds it instead is the pool's own limit.
type pool struct {
	*sql.DB
	dialect    *dialect
	statements sync.Map      // SQL text -> *sql.Stmt; the texts are constants, so this is bounded
	turn       chan struct{} // one place for each connection
	// limit is how long a call may wait for its turn, and then how long it may take; 0: no limit.
	limit time.Duration
	epoch atomic.Int64
	// group is where single statements wait for a turn that they share; nil: each has its own.
	group *group
}

var (
	errBusy = errors.New("all connections to the database are busy")
	errLate = errors.New("the database did not answer in time")
)

// tries is how often a call is made when it may be tried again.
const tries = 4

// begin waits for a connection that is free, and end gives it back.
func (p *pool) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.turn <- struct{}{}:
		return nil
	default:
	}
	var late <-chan time.Time
	if p.limit > 0 {
		timer := time.NewTimer(p.limit)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-late:
		return errBusy
	}
}

func (p *pool) end() { <-p.turn }

// do makes a call when its turn has come, and again where its fate permits.
func (p *pool) do(ctx context.Context, again func(fate) bool, call func(ctx context.Context) error) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	defer p.end()
	ctx = context.WithoutCancel(ctx)
	if p.limit > 0 {
		limited, cancel := context.WithTimeout(ctx, p.limit)
		defer cancel()
		ctx = limited
	}
	var err error
	for range tries {
		if err = call(ctx); err == nil {
			return nil
		}
		f := p.dialect.fate(err)
		if f == cut {
			p.renew()
		}
		if ctx.Err() != nil || !again(f) {
			break
		}
	}
	if errors.Is(err, context.DeadlineExceeded) { // the limit's, or that of connecting: the caller's is not seen here
		err = errLate
	}
	return err
}

// renew makes a new epoch, after which no connection of a former one is used again: where one was cut, as
// by a server that starts again, the others are likely cut, too, and each would cost a call its answer.
func (p *pool) renew() { p.epoch.Add(1) }

func writingAgain(f fate) bool { return f == undone }

func readingAgain(f fate) bool { return f != settled }

// scanner is what *sql.Row and *sql.Rows have in common.
type scanner interface{ Scan(dest ...any) error }

// exec runs a statement and says how many rows it changed. The text must be a constant.
func (p *pool) exec(ctx context.Context, text string, args ...any) (changed int64, err error) {
	err = p.single(ctx, text, func(ctx context.Context, stmt *sql.Stmt) error {
		var err error
		changed, err = affected(stmt.ExecContext(ctx, args...))
		return err
	})
	return changed, err
}

// returning runs a statement that gives a column of the row that it changed, and says whether it changed
// one. It reads to the end, since that is where SQLite commits. The text must be a constant.
func (p *pool) returning(ctx context.Context, text string, column any, args ...any) (changed bool, err error) {
	err = p.single(ctx, text, func(ctx context.Context, stmt *sql.Stmt) error {
		rows, err := stmt.QueryContext(ctx, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for changed = false; rows.Next(); changed = true {
			if err := rows.Scan(column); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	return changed, err
}

// single runs one statement that writes.
func (p *pool) single(ctx context.Context, text string, use func(context.Context, *sql.Stmt) error) error {
	if p.group == nil {
		return p.do(ctx, writingAgain, func(ctx context.Context) error {
			stmt, err := p.prepared(ctx, text)
			if err != nil {
				return err
			}
			return use(ctx, stmt)
		})
	}
	stmt, err := p.prepared(ctx, text)
	if err != nil {
		return err
	}
	return p.join(ctx, stmt, use)
}

// transact runs fn in one transaction. It may be run again, when the database took all of it back.
func (p *pool) transact(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return p.do(ctx, writingAgain, func(ctx context.Context) error {
		tx, err := p.BeginTx(ctx, nil)
		for n := 1; err != nil && n < tries && ctx.Err() == nil && p.dialect.fate(err) == cut; n++ { // nothing was done yet
			p.renew()
			tx, err = p.BeginTx(ctx, nil)
		}
		if err != nil {
			return err
		}
		if err := fn(ctx, tx); err != nil {
			// A database that failed has often rolled back by itself; what failed first is what counts.
			_ = tx.Rollback()
			return err
		}
		return tx.Commit()
	})
}

func (p *pool) prepared(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt, ok := p.statements.Load(text); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := p.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if first, lost := p.statements.LoadOrStore(text, stmt); lost {
		return first.(*sql.Stmt), stmt.Close()
	}
	return stmt, nil
}

// row reads a row of at most one, at Scan. The text must be a constant. No row is [sql.ErrNoRows].
func (p *pool) row(ctx context.Context, text string, args ...any) scanner {
	return laterRow{p, ctx, text, args}
}

// laterRow is a row that is still to be read: it has to be read to its end before the connection is
// given back. It lives no longer than the call that made it, and so may its context.
type laterRow struct {
	pool *pool
	ctx  context.Context
	text string
	args []any
}

func (r laterRow) Scan(dest ...any) error {
	return r.pool.do(r.ctx, readingAgain, func(ctx context.Context) error {
		return r.pool.QueryRowContext(ctx, r.text, r.args...).Scan(dest...)
	})
}

// affected is how many rows a statement changed.
func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// all reads every row of a query that is not cached.
func all[T any](ctx context.Context, p *pool, scan func(scanner) (T, error), text string, args ...any) (list []T, err error) {
	err = p.do(ctx, readingAgain, func(ctx context.Context) error {
		rows, err := p.QueryContext(ctx, text, args...)
		if err != nil {
			return err
		}
		list, err = collect(rows, scan)
		return err
	})
	return list, err
}

// collect reads rows to their end.
func collect[T any](rows *sql.Rows, scan func(scanner) (T, error)) ([]T, error) {
	defer rows.Close()
	var list []T
	for rows.Next() {
		item, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, item)
	}
	return list, rows.Err()
}
