package sqlstore_test

import (
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// A statement that is run for every request, or again and again, finds its rows by an index: its plan
// says so, which is sharper than any measuring of time.
func TestSQLitePlansReadNoTable(t *testing.T) {
	db := open(t, sqlstore.Config{Exclusive: true})
	conn := connection(t, db)
	for _, name := range slices.Sorted(maps.Keys(db.HotStatements())) {
		text := db.HotStatements()[name]
		rows, err := conn.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, parameters(text))...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, step := range texts(t, rows, func(step *string) []any { return []any{new(int), new(int), new(int), step} }) {
			if strings.HasPrefix(step, "SCAN") && step != "SCAN due" || strings.Contains(step, "TEMP B-TREE FOR ORDER BY") {
				t.Errorf("%s: %s\n%s", name, step, text)
			}
		}
	}
}

// PostgreSQL plans by what it knows of the rows, so there are some, planned over a day as those of one
// busy provider are.
func TestPostgresPlansReadNoTable(t *testing.T) {
	db := open(t, onPostgres(t))
	if _, err := db.ImportConnections(t.Context(), func(yield func(keybearer.Connection) bool) {
		for i := range 5000 {
			c := keybearer.Connection{ID: keybearer.ConnectionID(fmt.Sprintf("conn_%d", i)), Ref: user(i), State: keybearer.ConnectionActive}
			c.Version, c.Grant = 1, []byte("sealed")
			c.DueAt, c.UpdatedAt = noon().Add(time.Duration(i)*17*time.Second), noon()
			if !yield(c) {
				return
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	conn := connection(t, db)
	run := func(text string) {
		t.Helper()
		if _, err := conn.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	run("ANALYZE")
	run("SET plan_cache_mode = force_generic_plan") // as for a statement that has been run some times
	for _, name := range slices.Sorted(maps.Keys(db.HotStatements())) {
		text := db.HotStatements()[name]
		// The other tables are empty, and then read as a whole, if that is not forbidden.
		run(fmt.Sprintf("SET enable_seqscan = %t", strings.Contains(text, "connections")))
		run("PREPARE hot AS " + text)
		args := strings.TrimPrefix(strings.Repeat(", NULL", parameters(text)), ", ")
		if name == "connectionsClaim" {
			args = fmt.Sprintf("'default', 'atlassian', %d, %d, 100", noon().UnixMicro(), noon().Add(time.Hour).UnixMicro())
		}
		rows, err := conn.QueryContext(t.Context(), "EXPLAIN EXECUTE hot("+args+")")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plan := texts(t, rows, func(step *string) []any { return []any{step} })
		for _, step := range plan {
			if strings.Contains(step, "Seq Scan") || strings.Contains(step, "Sort Key") && strings.Contains(step, "due_at") {
				t.Errorf("%s: %s\n%s\n%s", name, strings.TrimSpace(step), text, strings.Join(plan, "\n"))
			}
		}
		run("DEALLOCATE hot")
	}
}

func connection(t *testing.T, db *sqlstore.DB) *sql.Conn {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// parameters is how many a statement has: $1, $2 and so on.
func parameters(text string) int {
	return len(slices.Compact(slices.Sorted(slices.Values(regexp.MustCompile(`\$\d+`).FindAllString(text, -1)))))
}

// texts reads one column of each row.
func texts(t *testing.T, rows *sql.Rows, places func(text *string) []any) []string {
	t.Helper()
	var list []string
	for rows.Next() {
		var text string
		if err := rows.Scan(places(&text)...); err != nil {
			t.Fatal(err)
		}
		list = append(list, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		t.Fatal(err)
	}
	return list
}
