package storetest

import (
	"context"
	"fmt"
	"iter"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

// Importer is a store that takes many connections at once. [Scale] fills a store by it if it can, and
// else by PutConnection.
type Importer interface {
	// ImportConnections stores connections that are not there yet, with their versions, and says how many.
	ImportConnections(ctx context.Context, rows iter.Seq[keybearer.Connection]) (int, error)
}

const (
	// scaleRows is the environment variable that says how many rows Scale fills a store with.
	scaleRows = "KEYBEARER_STORETEST_ROWS"

	fewRows     = 1000 // what the many are compared with
	scaleRounds = 24
	scaleBatch  = 4
	scaleCalls  = scaleRounds * scaleBatch // of each kind; all kinds together stay below fewRows

	// A call among many rows may cost scaleFactor times that among few, for a deeper tree and colder
	// caches, and scaleSlack more, which is nothing beside a request and tells memory from its cache. A
	// walk over all rows costs a multiple even at 20,000.
	scaleFactor = 3
	scaleSlack  = 60 * time.Microsecond
)

// Scale compares what single calls cost in a store of so many connections with what they cost in one of
// a thousand: reads, writes, claims of what is due, and the like, whose cost must not grow with the rows
// that they do not concern. 20,000 rows show that in seconds, and a million are asked for by hand, with
// KEYBEARER_STORETEST_ROWS=1000000, which counts in place of rows. A store that is an [Importer] is
// filled faster.
//
// Every call is about a row that was not read before, so memory that is kept for reading hides nothing.
// The two stores take turns, and the lower quartiles of many turns are compared, which a busy machine
// raises last and for both. What the calls cost is logged.
func Scale(t *testing.T, open func(t *testing.T) Stores, rows int) {
	t.Helper()
	if text, set := os.LookupEnv(scaleRows); set {
		var err error
		if rows, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", scaleRows, err)
		}
	}
	if rows < fewRows {
		t.Fatalf("Scale: got %d rows, want at least %d", rows, fewRows)
	}
	few, many := sized{open(t), fewRows}, sized{open(t), rows}
	few.fill(t)
	many.fill(t)
	for i, c := range scaleCosts() {
		if !c.asks(few.Stores) {
			continue
		}
		var small, large []time.Duration
		for round := range scaleRounds {
			first := i*scaleCalls + round*scaleBatch
			small = append(small, few.time(t, c, first))
			large = append(large, many.time(t, c, first))
		}
		slices.Sort(small)
		slices.Sort(large)
		less, more := small[scaleRounds/4], large[scaleRounds/4]
		t.Logf("%-12s %10v among %d rows, %10v among %d", c.name, less, fewRows, more, rows)
		if more > scaleFactor*less+scaleSlack {
			t.Errorf("%s costs %v among %d rows and %v among %d: it grows with the rows", c.name, less, fewRows, more, rows)
		}
	}
}

type scaleCost struct {
	name string
	asks func(Stores) bool
	call func(ctx context.Context, s Stores, c keybearer.Connection) error
}

func scaleCosts() []scaleCost {
	return []scaleCost{
		{"Connection", hasConnections, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			_, err := s.Connections.Connection(ctx, c.Ref)
			return err
		}},
		{"by id", hasConnections, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			_, err := s.Connections.ConnectionByID(ctx, c.Project, c.ID)
			return err
		}},
		{"absent", hasConnections, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			c.Name = "another"
			if _, err := s.Connections.Connection(ctx, c.Ref); keybearer.KindOf(err) != keybearer.NotFound {
				return fmt.Errorf("got %v for a connection that is not there", err)
			}
			return nil
		}},
		{"Put", hasConnections, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			_, err := s.Connections.PutConnection(ctx, c, c.Version)
			return err
		}},
		{"Delete", hasConnections, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			return s.Connections.DeleteConnection(ctx, c.Project, c.ID, c.Version)
		}},
		{"ClaimDue", hasUpkeep, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			got, err := s.Upkeep.ClaimDue(ctx, c.Project, c.Provider, at(0), at(10), 1)
			if err == nil && len(got) != 1 {
				err = fmt.Errorf("got %d connections that are due, want 1", len(got))
			}
			return err
		}},
		{"none due", hasUpkeep, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			_, err := s.Upkeep.ClaimDue(ctx, c.Project, c.Provider, at(-10), at(10), 100)
			return err
		}},
		{"Postpone", hasUpkeep, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			c.DueAt = at(20)
			return s.Upkeep.Postpone(ctx, []keybearer.Connection{c})
		}},
		{"Touch", hasUpkeep, func(ctx context.Context, s Stores, c keybearer.Connection) error {
			return s.Upkeep.Touch(ctx, map[keybearer.Ref]time.Time{c.Ref: at(30)})
		}},
	}
}

// sized is a store with its number of rows.
type sized struct {
	Stores
	rows int
}

// row is the n-th connection of a provider whose connections are planned all over a day to come. Every
// so many, a thousand in all, one is due.
func (s sized) row(n int) keybearer.Connection {
	c := connection(n)
	c.Grant, c.Version = large(n)[:800], 1
	switch {
	case n%(s.rows/fewRows) == 0:
		c.DueAt = at(0)
	case n%2 == 0:
		c.DueAt = time.Time{}
	default:
		c.DueAt = at(3600 + n%86400)
	}
	return c
}

func (s sized) fill(t *testing.T) {
	t.Helper()
	if bulk, fast := s.Connections.(Importer); fast {
		n := must[int](t)(bulk.ImportConnections(t.Context(), func(yield func(keybearer.Connection) bool) {
			for n := 0; n < s.rows && yield(s.row(n)); n++ {
			}
		}))
		if n != s.rows {
			t.Fatalf("ImportConnections: got %d rows stored, want %d", n, s.rows)
		}
		return
	}
	for _, err := range race(16, func(i int) error {
		for n := i; n < s.rows; n += 16 {
			if _, err := s.Connections.PutConnection(t.Context(), s.row(n), 0); err != nil {
				return err
			}
		}
		return nil
	}) {
		ok(t, err)
	}
}

// time gives what a call costs on average, of a batch about rows from all over the store.
func (s sized) time(t *testing.T, c scaleCost, first int) time.Duration {
	t.Helper()
	var batch [scaleBatch]keybearer.Connection
	for i := range batch {
		batch[i] = s.row((first + i) * (s.rows / fewRows))
	}
	begin := time.Now()
	for _, row := range batch {
		ok(t, c.call(t.Context(), s.Stores, row))
	}
	return time.Since(begin) / scaleBatch
}
