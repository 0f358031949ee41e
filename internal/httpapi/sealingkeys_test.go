package httpapi_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// rotating is a Sealer whose keys are in memory alone.
type rotating struct {
	*seal.Keyring
	at time.Time

	mu   sync.Mutex
	made int
}

func newRotating(t testing.TB) *rotating {
	t.Helper()
	ring, err := seal.NewKeyring(seal.Key{ID: "data:0", Secret: secret.New("a data key of this test alone")})
	if err != nil {
		t.Fatal(err)
	}
	return &rotating{Keyring: ring, at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
}

func (r *rotating) Rotate(context.Context) (keybearer.SealingKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.made++
	k := seal.Key{ID: fmt.Sprintf("data:%d", r.made), Secret: secret.New(fmt.Sprint("a data key of this test, number ", r.made)), Default: true}
	return keybearer.SealingKey{ID: k.ID, Default: true, SealedWith: "root", CreatedAt: r.at}, r.Add(k)
}

func (r *rotating) SealingKeys(context.Context) ([]keybearer.SealingKey, error) {
	keys := []keybearer.SealingKey{{ID: "root", Root: true, Default: true, Values: len(r.IDs())}}
	for _, id := range r.IDs() {
		keys = append(keys, keybearer.SealingKey{ID: id, Default: id == r.Default(), SealedWith: "root", CreatedAt: r.at})
	}
	return keys, nil
}

// rotatable gives a lab such a Sealer.
func rotatable(t testing.TB) func(*keybearer.Config) {
	return func(c *keybearer.Config) {
		ring := newRotating(t)
		for i, p := range c.Static {
			plain, err := c.Sealer.Open(p.ClientSecret, p.SecretPlace())
			if err != nil {
				t.Fatal(err)
			}
			if c.Static[i].ClientSecret, err = ring.Seal(plain, p.SecretPlace()); err != nil {
				t.Fatal(err)
			}
		}
		c.Sealer = ring
	}
}

func TestSealingKeysAreListedWithWhatTheySealAndRotated(t *testing.T) {
	l := newLab(t, options{broker: rotatable(t)})
	l.connect("alice")
	const path = "/v1/admin/sealing_keys"
	if got := l.do("POST", path, "").want(201, "").str("id"); got != "data:1" {
		t.Errorf("got the new key %q, want data:1", got)
	}
	l.connect("bob")
	got := l.do("GET", path, "").want(200, "")
	for i, want := range []struct {
		id, kind string
		values   float64
	}{{"root", "root", 2}, {"data:0", "data", 1}, {"data:1", "data", 1}} {
		item := got.at("items", i).(map[string]any)
		if item["id"] != want.id || item["kind"] != want.kind || item["values"] != want.values || item["default"] != (i != 1) {
			t.Errorf("item %d: got %v, want %+v", i, item, want)
		}
	}
	for _, method := range []string{"GET", "POST"} {
		l.do(method, path, "", "Authorization", appKey).want(403, "permission_denied")
	}
}

func TestKeysOfAnotherSealerAreNotRotated(t *testing.T) {
	l := newLab(t, options{})
	for _, method := range []string{"GET", "POST"} {
		l.do(method, "/v1/admin/sealing_keys", "").want(501, "not_implemented")
	}
}
