package keybearer_test

import (
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

// A row whose grant was tampered with, cut short, emptied or copied from another one is an error of its
// own connection, for the asker and for upkeep, and of nobody else's.
func TestPoisonedRowHarmsNoOther(t *testing.T) {
	memory := keybearer.NewMemory()
	h := open(t, change{
		config: func(c *keybearer.Config) {
			c.Connections, c.Sealer, c.Leases = memory, keyring(t, "k"), keybearer.NewMemoryClock(c.Now)
		},
		settings: func(d *oauth.Definition) { d.Refresh.Ahead = oauth.AheadAlways },
	})
	h.connect("read")
	sound, err := memory.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	tampered := append([]byte(nil), sound.Grant...)
	tampered[len(tampered)-1] ^= 1
	poisons := map[keybearer.UserID][]byte{
		"copied@example.com": sound.Grant, "tampered@example.com": tampered, "short@example.com": sound.Grant[:10], "empty@example.com": nil,
	}
	for user, grant := range poisons {
		bad := sound
		bad.ID, bad.User, bad.Grant = keybearer.ConnectionID("conn_"+string(user)), user, grant
		if _, err := memory.PutConnection(t.Context(), bad, 0); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // they come due together
		h.clock.Advance(58 * time.Minute)
		if err := h.broker.UpkeepOnce(t.Context(), keybearer.DefaultProject); err != nil {
			t.Errorf("upkeep beside poisoned rows: %v", err)
		}
	}
	if got := h.provider.History(); got.Rotations("") != 3 || got.Reuses() != 0 {
		t.Errorf("got %d rotations and %d reuses, want 3 and 0", got.Rotations(""), got.Reuses())
	}
	for user := range poisons {
		_, err := h.app.Token(t.Context(), keybearer.Ref{User: user, Provider: hooli})
		wantKind(t, err, keybearer.Internal)
	}
	if _, n, err := h.admin.Connections(t.Context(), keybearer.ConnectionFilter{}); err != nil || n != 1+len(poisons) {
		t.Errorf("listing: got %d, %v; want all", n, err)
	}
	for user := range poisons { // a new consent is the way out
		a, err := h.app.Authorize(t.Context(), keybearer.AuthorizeRequest{ProviderID: string(hooli), User: user, Scopes: []string{"read"}})
		if err != nil || a.Status != keybearer.AuthorizationPending {
			t.Errorf("got %q, %v for %s, want a new consent", a.Status, err, user)
		}
	}
	h.wantAlive()
}
