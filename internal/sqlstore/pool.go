package sqlstore

import (
	"context"
	"database/sql"
	"sync"
)

// pool is a set of connections with its prepared statements. Statements are prepared at their first
// use, so that starting costs nothing.
//
// A call whose context ends while it waits for its turn to write does nothing. Once it has begun it
// is brought to its end: so an error never leaves open whether a row was written.
type pool struct {
	*sql.DB
	statements sync.Map      // SQL text -> *sql.Stmt; the texts are constants, so this is bounded
	turn       chan struct{} // one place for each connection
}

// begin waits for a connection that is free, and end gives it back.
func (p *pool) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pool) end() { <-p.turn }

// scanner is what *sql.Row and *sql.Rows have in common.
type scanner interface{ Scan(dest ...any) error }

// exec runs a statement and says how many rows it changed. The text must be a constant.
func (p *pool) exec(ctx context.Context, text string, args ...any) (int64, error) {
	if err := p.begin(ctx); err != nil {
		return 0, err
	}
	defer p.end()
	ctx = context.WithoutCancel(ctx)
	stmt, err := p.prepared(ctx, text)
	if err != nil {
		return 0, err
	}
	return affected(stmt.ExecContext(ctx, args...))
}

// returning runs a statement that gives a column of the row that it changed, and says whether it changed
// one. It reads to the end, since that is where SQLite commits. The text must be a constant.
func (p *pool) returning(ctx context.Context, text string, column any, args ...any) (changed bool, err error) {
	if err := p.begin(ctx); err != nil {
		return false, err
	}
	defer p.end()
	ctx = context.WithoutCancel(ctx)
	stmt, err := p.prepared(ctx, text)
	if err != nil {
		return false, err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(column); err != nil {
			return false, err
		}
		changed = true
	}
	return changed, rows.Err()
}

// transact runs fn in one transaction.
func (p *pool) transact(ctx context.Context, fn func(ctx context.Context, tx *sql.Tx) error) error {
	if err := p.begin(ctx); err != nil {
		return err
	}
	defer p.end()
	ctx = context.WithoutCancel(ctx)
	tx, err := p.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := fn(ctx, tx); err != nil {
		// A database that failed has often rolled back by itself; what failed first is what counts.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
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

// affected is how many rows a statement changed.
func affected(result sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// all reads every row of a query that is not cached.
func all[T any](ctx context.Context, p *pool, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	rows, err := p.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return collect(rows, scan)
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
