package atlassian_test

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// witness remembers every state that was stored.
type witness struct {
	atlassian.MemoryStore
	mu   sync.Mutex
	seen [][]byte
}

func (w *witness) Swap(ctx context.Context, old, next []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.MemoryStore.Swap(ctx, old, next)
	if err == nil {
		w.seen = append(w.seen, bytes.Clone(next))
	}
	return err
}

// intended is the state in the middle of a refresh: the token may be spent, and what came of it is not stored.
func (w *witness) intended(t *testing.T) []byte {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, state := range w.seen {
		if bytes.Contains(state, []byte(`"rotation":`)) {
			return state
		}
	}
	t.Fatal("no state tells of a refresh that is going on: its intent was not written down")
	return nil
}

// A process dies after the provider has rotated, and before the new token is stored. The next one finds the
// journal open, and waits for nobody for longer than a turn.
func TestProcessThatDiesInTheMiddleOfARefreshIsSucceeded(t *testing.T) {
	for name, made := range map[string]func(func(*atlassian.Config)) *desk{
		"Cloud":       func(change func(*atlassian.Config)) *desk { return atCloud(t, change) },
		"Data Center": func(change func(*atlassian.Config)) *desk { return atServer(t, atlassian.Jira, change) },
	} {
		store := &witness{}
		d := made(func(c *atlassian.Config) { c.Store = store }).connect()
		d.clock.Advance(time.Hour)
		d.token() // the provider has rotated; of this process nothing but the intent is left
		heir := &atlassian.MemoryStore{}
		if err := heir.Swap(t.Context(), nil, store.intended(t)); err != nil {
			t.Fatal(err)
		}
		d.config.Store = heir
		d.clock.Advance(time.Minute) // the turn of the dead is over
		got, err := d.another().Token(t.Context())
		if name == "Cloud" { // within the leeway the token is taken once more
			if err != nil || got.Access.IsZero() {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		refused(t, name, err, keybearer.Reauthorize, "the answer of a refresh at", "was lost", "Call Start and Complete again")
	}
}
