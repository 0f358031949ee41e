package sqlstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/sqlstore"
)

// writers is how many goroutines of the other process write, each its own row.
const writers = 4

// write writes new versions without end and says each that was answered.
func write(ctx context.Context, path string, out io.Writer) error {
	db, err := sqlstore.Open(ctx, sqlstore.Config{Path: path, Exclusive: true})
	if err != nil {
		return err
	}
	var (
		said   sync.Mutex
		failed = make(chan error)
	)
	for w := range writers {
		go func() {
			c, err := db.Connection(ctx, user(w))
			if errors.Is(err, keybearer.NotFound) {
				c, err = keybearer.Connection{ID: keybearer.ConnectionID(fmt.Sprintf("conn_%d", w)), Ref: user(w)}, nil
			}
			for err == nil {
				c.Grant = grantOf(c.Version + 1)
				if c, err = db.PutConnection(ctx, c, c.Version); err == nil {
					said.Lock()
					_, err = fmt.Fprintln(out, w, c.Version)
					said.Unlock()
				}
			}
			failed <- err
		}()
	}
	return <-failed
}

// grantOf is a large value that only one version has, so that half a write shows.
func grantOf(version int64) []byte {
	grant := make([]byte, 0, 8000)
	for len(grant) < 8000 {
		grant = binary.BigEndian.AppendUint64(grant, uint64(version))
	}
	return grant
}

func TestKilledInTheMiddleOfWritesLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keybearer.db")
	var answered [writers]int64
	for round := range 5 {
		p := start(t, "write", path)
		for lines := 0; lines < 40+37*round && p.lines.Scan(); lines++ {
			var w int
			var version int64
			if _, err := fmt.Sscan(p.lines.Text(), &w, &version); err != nil {
				t.Fatal(err)
			}
			answered[w] = max(answered[w], version)
		}
		p.kill(t)

		db := open(t, sqlstore.Config{Path: path, Exclusive: true})
		for w := range writers {
			c, err := db.Connection(t.Context(), user(w))
			if answered[w] == 0 && errors.Is(err, keybearer.NotFound) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Version < answered[w] {
				t.Errorf("round %d: got version %d of row %d, want at least %d, which was answered", round, c.Version, w, answered[w])
			}
			if string(c.Grant) != string(grantOf(c.Version)) {
				t.Errorf("round %d: got a mixed value in version %d of row %d", round, c.Version, w)
			}
			if byID, err := db.ConnectionByID(t.Context(), c.Project, c.ID); err != nil || byID.Version != c.Version {
				t.Errorf("round %d: got version %d, %v by id, want %d", round, byID.Version, err, c.Version)
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		var verdict string
		if err := raw(t, path).QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict); err != nil || verdict != "ok" {
			t.Errorf("round %d: integrity_check says %q, %v, want ok", round, verdict, err)
		}
	}
}
