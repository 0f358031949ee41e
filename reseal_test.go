package keybearer_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// brittle is a store that fails after so many writes, as a process does that is killed.
type brittle struct {
	keybearer.ResealStore
	writes atomic.Int64
	limit  atomic.Int64
}

func (b *brittle) ReplaceGrants(ctx context.Context, connections []keybearer.Connection) error {
	if limit := b.limit.Load(); limit > 0 && b.writes.Add(int64(len(connections))) > limit {
		return keybearer.Errorf(keybearer.Unavailable, "killed")
	}
	return b.ResealStore.ReplaceGrants(ctx, connections)
}

func TestRotationOfAKeyIsResumed(t *testing.T) {
	oldKey := seal.Key{ID: "old", Secret: secret.New("the old key of this test")}
	newKey := seal.Key{ID: "new", Default: true, Secret: secret.New("the new key of this test")}
	ring := func(keys ...seal.Key) *seal.Keyring {
		r, err := seal.NewKeyring(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	memory := keybearer.NewMemory()
	store := &brittle{ResealStore: memory}
	with := func(r *seal.Keyring) func(*keybearer.Config) {
		return func(c *keybearer.Config) { c.Sealer, c.Connections = r, store }
	}
	h := open(t, change{config: with(ring(oldKey))})
	h.connect("read")
	c, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := ring(oldKey).Open(c.Grant, c.GrantPlace())
	if err != nil {
		t.Fatal(err)
	}
	const all = 500
	for n := range all {
		c.ID, c.User, c.Version = keybearer.ConnectionID(fmt.Sprintf("conn_%d", n)), keybearer.UserID(fmt.Sprintf("user-%d", n)), 0
		if c.Grant, err = ring(oldKey).Seal(plain, c.GrantPlace()); err != nil {
			t.Fatal(err)
		}
		if _, err := memory.PutConnection(t.Context(), c, 0); err != nil {
			t.Fatal(err)
		}
	}

	both, err := keybearer.New(keybearer.Config{PublicURL: publicURL, Sealer: ring(oldKey, newKey), Connections: store})
	if err != nil {
		t.Fatal(err)
	}
	store.limit.Store(250) // killed in the middle
	done, _, err := both.Reseal(t.Context(), keybearer.DefaultProject, "new")
	if err == nil || done != 200 {
		t.Fatalf("got %d, %v; want 200 and an end in the middle", done, err)
	}
	store.limit.Store(0)
	ids := sealedBy(t, memory)
	if ids["old"] != all+1-200 || ids["new"] != 200 {
		t.Errorf("after the kill: got %v", ids)
	}
	done, left, err := both.Reseal(t.Context(), keybearer.DefaultProject, "new")
	if err != nil || done != all+1-200 || left != 0 {
		t.Errorf("resumed: got %d, %d left, %v", done, left, err)
	}
	if done, _, err := both.Reseal(t.Context(), keybearer.DefaultProject, "new"); err != nil || done != 0 {
		t.Errorf("once more: got %d, %v; want nothing to do", done, err)
	}
	if ids := sealedBy(t, memory); ids["old"] != 0 || ids["new"] != all+1 {
		t.Errorf("at the end: got %v", ids)
	}
	if err := both.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func sealedBy(t *testing.T, s keybearer.ConnectionStore) map[string]int {
	t.Helper()
	ids := map[string]int{}
	page, _, err := s.Connections(t.Context(), keybearer.ConnectionFilter{Project: keybearer.DefaultProject, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range page {
		id, err := c.Grant.KeyID()
		if err != nil {
			t.Fatal(err)
		}
		ids[id]++
	}
	return ids
}
