package sqlstore

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"math/bits"
	"slices"
	"strings"
)

// table says how copies treat a table.
type table struct {
	name string
	// passing rows matter for an hour or a day at most: a move carries them, a backup leaves them out.
	passing bool
}

// copied are the tables that hold something of their own. Left out are the version of the schema,
// which each database has by itself, and leases, whose holders know one database only.
func copiedTables() []table {
	return []table{
		{name: "root_keys"},
		{name: "data_keys"},
		{name: "settings"},
		{name: "providers"},
		{name: "api_keys"},
		{name: "accounts"},
		{name: "workers"},
		{name: "tool_secrets"},
		{name: "connections"},
		{name: "flows"},
		{name: "attempts", passing: true},
		{name: "sessions", passing: true},
		{name: "scheduled_runs"},
		{name: "registered_clients"},
		{name: "client_grants"},
		{name: "events"},
	}
}

// Digest says what is in a table, whatever the order of its rows.
type Digest struct {
	Rows int64 `json:"rows"`
	// Sum is the sum, as a number of 256 bits, of the SHA-256 of each row, in hexadecimal digits.
	Sum string `json:"sum"`
}

// Contents says what is in a database, by table.
type Contents map[string]Digest

// Tables lists them by name.
func (c Contents) Tables() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// copyBytes bounds what waits to be written in one statement.
const copyBytes = 1 << 20

// copyTables carries the rows of one transaction into another, of databases with the same schema, and
// says what it carried. The dialect is that of the database that is written.
func copyTables(ctx context.Context, from, to *sql.Tx, d *dialect, passing bool) (Contents, error) {
	contents := Contents{}
	for _, t := range copiedTables() {
		if t.passing && !passing {
			continue
		}
		sink := &inserts{to: to, table: t.name, bunch: d.bunch}
		digest, err := eachRow(ctx, from, t.name, sink.add)
		if err == nil {
			err = sink.flush(ctx)
		}
		if err = errors.Join(err, sink.close()); err != nil {
			return nil, fmt.Errorf("copying the table %s: %w", t.name, err)
		}
		contents[t.name] = digest
	}
	return contents, nil
}

// contentsOf reads everything that a copy carries.
func contentsOf(ctx context.Context, tx *sql.Tx, passing bool) (Contents, error) {
	contents := Contents{}
	for _, t := range copiedTables() {
		if t.passing && !passing {
			continue
		}
		digest, err := eachRow(ctx, tx, t.name, nil)
		if err != nil {
			return nil, fmt.Errorf("reading the table %s: %w", t.name, err)
		}
		contents[t.name] = digest
	}
	return contents, nil
}

// eachRow reads a table, but the database's own mark, and calls use with each row unless it is nil.
func eachRow(ctx context.Context, tx *sql.Tx, table string, use func(ctx context.Context, columns []string, row []any) error) (Digest, error) {
	text := "SELECT * FROM " + table
	if table == "settings" {
		text += " WHERE NOT (" + isMark + ")"
	}
	rows, err := tx.QueryContext(ctx, text)
	if err != nil {
		return Digest{}, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return Digest{}, err
	}
	columns, truths := make([]string, len(types)), make([]bool, len(types))
	for i, t := range types {
		columns[i], truths[i] = t.Name(), strings.HasPrefix(strings.ToUpper(t.DatabaseTypeName()), "BOOL")
	}
	sum := newSum()
	for rows.Next() {
		row, places := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			places[i] = &row[i]
		}
		if err := rows.Scan(places...); err != nil {
			return Digest{}, err
		}
		for i, isBool := range truths {
			if n, ok := row[i].(int64); ok && isBool { // SQLite has no other booleans
				row[i] = n != 0
			}
		}
		if err := sum.add(columns, row); err != nil {
			return Digest{}, err
		}
		if use == nil {
			continue
		}
		if err := use(ctx, columns, row); err != nil {
			return Digest{}, err
		}
	}
	return sum.digest(), rows.Err()
}

// inserts writes rows, some at a time.
type inserts struct {
	to      *sql.Tx
	table   string
	bunch   int // how many rows a statement writes at most
	columns []string
	args    []any
	rows    int
	bytes   int
	whole   *sql.Stmt // for a whole bunch
}

func (b *inserts) add(ctx context.Context, columns []string, row []any) error {
	b.columns = columns
	b.args = append(b.args, row...)
	b.rows++
	for _, value := range row {
		switch value := value.(type) {
		case string:
			b.bytes += len(value)
		case []byte:
			b.bytes += len(value)
		}
	}
	if b.rows >= b.bunch || b.bytes >= copyBytes {
		return b.flush(ctx)
	}
	return nil
}

func (b *inserts) flush(ctx context.Context) (err error) {
	switch {
	case b.rows == 0:
		return nil
	case b.rows < b.bunch:
		_, err = b.to.ExecContext(ctx, b.text(), b.args...)
	default:
		if b.whole == nil {
			if b.whole, err = b.to.PrepareContext(ctx, b.text()); err != nil {
				return err
			}
		}
		_, err = b.whole.ExecContext(ctx, b.args...)
	}
	clear(b.args)
	b.args, b.rows, b.bytes = b.args[:0], 0, 0
	return err
}

func (b *inserts) close() error {
	if b.whole == nil {
		return nil
	}
	return b.whole.Close()
}

// text is a statement for as many rows as wait.
func (b *inserts) text() string {
	rows := make([]string, b.rows)
	for i := range rows {
		places := make([]string, len(b.columns))
		for j := range places {
			places[j] = fmt.Sprintf("$%d", i*len(b.columns)+j+1)
		}
		rows[i] = "(" + strings.Join(places, ", ") + ")"
	}
	return fmt.Sprintf("INSERT INTO %s (%s) VALUES %s", b.table, strings.Join(b.columns, ", "), strings.Join(rows, ", "))
}

// sum adds up rows for a [Digest].
type sum struct {
	rows  int64
	hash  hash.Hash
	total [4]uint64
}

func newSum() *sum { return &sum{hash: sha256.New()} }

func (s *sum) add(columns []string, row []any) error {
	s.hash.Reset()
	for i, value := range row {
		var kind byte
		var bytes []byte
		switch value := value.(type) {
		case nil:
			kind = 'n'
		case bool:
			kind, bytes = 'b', []byte{0}
			if value {
				bytes[0] = 1
			}
		case int64:
			kind, bytes = 'i', binary.BigEndian.AppendUint64(nil, uint64(value))
		case string:
			kind, bytes = 's', []byte(value)
		case []byte:
			kind, bytes = 'x', value
		default:
			return fmt.Errorf("the column %s holds a %T", columns[i], value)
		}
		for _, part := range [][]byte{[]byte(columns[i]), {kind}, bytes} { // the lengths keep values apart
			s.hash.Write(binary.AppendUvarint(nil, uint64(len(part))))
			s.hash.Write(part)
		}
	}
	s.rows++
	h := s.hash.Sum(nil)
	var carry uint64
	for i := range s.total {
		s.total[i], carry = bits.Add64(s.total[i], binary.LittleEndian.Uint64(h[8*i:]), carry)
	}
	return nil
}

func (s *sum) digest() Digest {
	var bytes []byte
	for _, part := range s.total {
		bytes = binary.LittleEndian.AppendUint64(bytes, part)
	}
	return Digest{Rows: s.rows, Sum: hex.EncodeToString(bytes)}
}

// differences names the tables that two databases do not have in common.
func differences(want, got Contents) error {
	var errs []error
	for _, name := range want.Tables() {
		if got[name] != want[name] {
			errs = append(errs, fmt.Errorf("the table %s differs: %d rows were to be there, and %d are", name, want[name].Rows, got[name].Rows))
		}
	}
	return errors.Join(errs...)
}
