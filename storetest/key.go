package storetest

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
)

func key(n int) keybearer.Key {
	return keybearer.Key{
		ID: fmt.Sprintf("key_%02d", n), Project: project, Name: "ci", Hash: hash(n), Hint: "x7Qz", Scope: keybearer.ScopeApp,
		Providers: []keybearer.ProviderID{"hooli", "atlassian"}, Users: "*@example.com", CreatedAt: at(n), RevokedAt: at(n + 1),
	}
}

func keptKey(k keybearer.Key) keybearer.Key {
	k.CreatedAt, k.RevokedAt = kept(k.CreatedAt), kept(k.RevokedAt)
	return k
}

func keyExam() []question {
	return []question{
		{"RoundTrip", keyRoundTrip},
		{"Replace", keyReplace},
		{"NotAliased", keyNotAliased},
		{"SameTextRace", keySameTextRace},
		{"ReplaceRace", keyReplaceRace},
	}
}

func keyRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Keys.KeyByHash(ctx, hash(1))
	wantKind(t, "KeyByHash", err, keybearer.NotFound)
	bare := keybearer.Key{ID: "key_bare", Project: project, Hash: hash(0), CreatedAt: at(5)}
	other := key(3)
	other.Project = "other"
	for _, k := range []keybearer.Key{key(6), bare, key(1), other} {
		ok(t, s.Keys.PutKey(ctx, k))
	}
	same(t, "KeyByHash of a revoked key", must[keybearer.Key](t)(s.Keys.KeyByHash(ctx, hash(1))), keptKey(key(1)))
	same(t, "KeyByHash in another project", must[keybearer.Key](t)(s.Keys.KeyByHash(ctx, hash(3))), keptKey(other))
	same(t, "Keys, by creation", must[[]keybearer.Key](t)(s.Keys.Keys(ctx, project)),
		[]keybearer.Key{keptKey(key(1)), keptKey(bare), keptKey(key(6))})
	if got := must[[]keybearer.Key](t)(s.Keys.Keys(ctx, "none")); len(got) != 0 {
		t.Errorf("got %d keys of no project, want 0", len(got))
	}
}

func keyReplace(t *testing.T, s Stores) {
	ctx := t.Context()
	valid := key(1)
	valid.RevokedAt = time.Time{}
	ok(t, s.Keys.PutKey(ctx, valid))
	if got := must[keybearer.Key](t)(s.Keys.KeyByHash(ctx, hash(1))); !got.RevokedAt.IsZero() {
		t.Errorf("got revoked at %v, want a valid key", got.RevokedAt)
	}
	ok(t, s.Keys.PutKey(ctx, key(1)))
	if got := must[keybearer.Key](t)(s.Keys.KeyByHash(ctx, hash(1))); got.RevokedAt.IsZero() {
		t.Error("got a valid key, want it revoked")
	}
	changed := key(1)
	changed.Hash = hash(7)
	ok(t, s.Keys.PutKey(ctx, changed))
	_, err := s.Keys.KeyByHash(ctx, hash(1))
	wantKind(t, "the hash before", err, keybearer.NotFound)
	same(t, "the hash after", must[keybearer.Key](t)(s.Keys.KeyByHash(ctx, hash(7))), keptKey(changed))
	twin := key(2)
	twin.Hash = hash(7)
	wantKind(t, "a second key with the same text", s.Keys.PutKey(ctx, twin), keybearer.Conflict)
}

func keyNotAliased(t *testing.T, s Stores) {
	ctx := t.Context()
	k := key(1)
	ok(t, s.Keys.PutKey(ctx, k))
	spoil := func(k keybearer.Key) { k.Hash[0], k.Providers[0] = 'X', "spoilt" }
	spoil(k)
	for range 2 {
		got := must[keybearer.Key](t)(s.Keys.KeyByHash(ctx, hash(1)))
		same(t, "KeyByHash", got, keptKey(key(1)))
		spoil(got)
		list := must[[]keybearer.Key](t)(s.Keys.Keys(ctx, project))
		same(t, "Keys", list, []keybearer.Key{keptKey(key(1))})
		spoil(list[0])
	}
}

// Two keys of one text would let the one be revoked and the other go on.
func keySameTextRace(t *testing.T, s Stores) {
	errs := race(rivals, func(i int) error {
		k := key(i)
		k.Hash = hash(1)
		return s.of(i).Keys.PutKey(t.Context(), k)
	})
	oneWins(t, errs, keybearer.Conflict)
	found := must[keybearer.Key](t)(s.Keys.KeyByHash(t.Context(), hash(1)))
	for i, err := range errs {
		if err == nil && found.ID != key(i).ID {
			t.Errorf("got the key %s, want that of the winner, %s", found.ID, key(i).ID)
		}
	}
	if list := must[[]keybearer.Key](t)(s.Keys.Keys(t.Context(), project)); len(list) != 1 {
		t.Errorf("got %d keys, want 1", len(list))
	}
}

func keyReplaceRace(t *testing.T, s Stores) {
	of := func(i int) keybearer.Key {
		k := key(1)
		k.Name, k.Hash, k.CreatedAt = fmt.Sprint(i), hash(i), at(i)
		return k
	}
	for _, err := range race(rivals, func(i int) error { return s.of(i).Keys.PutKey(t.Context(), of(i)) }) {
		ok(t, err)
	}
	list := must[[]keybearer.Key](t)(s.Keys.Keys(t.Context(), project))
	if len(list) != 1 {
		t.Fatalf("got %d keys, want 1", len(list))
	}
	last, err := strconv.Atoi(list[0].Name)
	ok(t, err)
	same(t, "the key of one rival", list[0], keptKey(of(last)))
	for i := range rivals {
		_, err := s.Keys.KeyByHash(t.Context(), hash(i))
		if found := err == nil; found != (i == last) {
			t.Errorf("got %v for the text of rival %d, want that of rival %d alone found", err, i, last)
		}
	}
}
