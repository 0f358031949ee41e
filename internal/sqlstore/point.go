package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sync"
)

// points is a set of connections for point reads, which every request of an app needs. They go to
// the driver directly: for one row database/sql costs as much again as SQLite does.
//
// A read is not interrupted once it has begun, since watching a context costs more than the read.
type points struct {
	connector driver.Connector
	free      chan *point
	closed    chan struct{}
	closing   sync.Once
}

// point is one connection with its prepared statements. It is opened at its first use.
type point struct {
	conn       driver.Conn
	statements map[string]driver.Stmt // the texts are constants, so this is bounded
}

func newPoints(connector driver.Connector, size int) *points {
	p := &points{connector: connector, free: make(chan *point, size), closed: make(chan struct{})}
	for range size {
		p.free <- &point{}
	}
	return p
}

// Close waits for the reads that have begun. Later ones fail.
func (p *points) Close() error {
	var errs []error
	p.closing.Do(func() {
		close(p.closed)
		for range cap(p.free) {
			errs = append(errs, (<-p.free).close())
		}
	})
	return errors.Join(errs...)
}

// row reads a row of at most one. The text must be a constant. No row is [sql.ErrNoRows], at Scan.
func (p *points) row(ctx context.Context, text string, args ...any) scanner {
	if err := ctx.Err(); err != nil {
		return failedRow{err}
	}
	select {
	case <-p.closed:
		return failedRow{sql.ErrConnDone}
	default:
	}
	select {
	case c := <-p.free:
		defer func() { p.free <- c }()
		values, err := c.read(context.WithoutCancel(ctx), p.connector, text, args)
		if err != nil {
			return failedRow{err}
		}
		return foundRow(values)
	case <-p.closed:
		return failedRow{sql.ErrConnDone}
	case <-ctx.Done():
		return failedRow{ctx.Err()}
	}
}

func (c *point) read(ctx context.Context, connector driver.Connector, text string, args []any) (_ []driver.Value, err error) {
	stmt, err := c.prepared(ctx, connector, text)
	if err != nil {
		return nil, err
	}
	named := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		value, err := driver.DefaultParameterConverter.ConvertValue(arg)
		if err != nil {
			return nil, err
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: value}
	}
	rows, err := stmt.(driver.StmtQueryContext).QueryContext(ctx, named)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	values := make([]driver.Value, len(rows.Columns()))
	if err := rows.Next(values); errors.Is(err, io.EOF) {
		return nil, sql.ErrNoRows
	} else if err != nil {
		return nil, err
	}
	return values, nil
}

func (c *point) prepared(ctx context.Context, connector driver.Connector, text string) (driver.Stmt, error) {
	if stmt, ok := c.statements[text]; ok {
		return stmt, nil
	}
	if c.conn == nil {
		conn, err := connector.Connect(ctx)
		if err != nil {
			return nil, err
		}
		c.conn, c.statements = conn, make(map[string]driver.Stmt)
	}
	stmt, err := c.conn.Prepare(text)
	if err != nil {
		return nil, err
	}
	c.statements[text] = stmt
	return stmt, nil
}

func (c *point) close() error {
	if c.conn == nil {
		return nil
	}
	var errs []error
	for _, stmt := range c.statements {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, c.conn.Close())...)
}

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

// foundRow is the values of a row. They belong to it.
type foundRow []driver.Value

// Scan knows the kinds that this package stores: integers, booleans, texts, and what has a Scan of
// its own.
func (r foundRow) Scan(dest ...any) error {
	if len(dest) != len(r) {
		return fmt.Errorf("reading %d columns into %d places", len(r), len(dest))
	}
	for i, value := range r {
		if err := assign(dest[i], value); err != nil {
			return fmt.Errorf("reading column %d: %w", i+1, err)
		}
	}
	return nil
}

func assign(dest any, value driver.Value) error {
	if own, ok := dest.(sql.Scanner); ok {
		return own.Scan(value)
	}
	to := reflect.ValueOf(dest).Elem()
	switch value := value.(type) {
	case string:
		if to.Kind() == reflect.String {
			to.SetString(value)
			return nil
		}
	case int64:
		switch to.Kind() {
		case reflect.Int, reflect.Int64:
			to.SetInt(value)
			return nil
		case reflect.Bool: // SQLite has no other booleans
			to.SetBool(value != 0)
			return nil
		}
	case bool:
		if to.Kind() == reflect.Bool {
			to.SetBool(value)
			return nil
		}
	}
	return fmt.Errorf("%T does not fit into %T", value, dest)
}
