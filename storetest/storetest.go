package storetest

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
)

// Stores are the candidates. A nil field is not examined.
type Stores struct {
	Connections  keybearer.ConnectionStore
	Upkeep       keybearer.UpkeepStore // of the same rows as Connections
	Reseal       keybearer.ResealStore // of the same rows as Connections
	Flows        keybearer.FlowStore
	Attempts     keybearer.AttemptStore
	Providers    keybearer.ProviderStore
	Keys         keybearer.KeyStore
	Accounts     keybearer.AccountStore
	Sessions     keybearer.SessionStore
	Settings     keybearer.SettingStore
	Leases       keybearer.Leaser
	Workers      keybearer.WorkerStore
	ToolSecrets  keybearer.ToolSecretStore
	Runs         keybearer.RunStore
	Clients      keybearer.RegisteredClientStore
	ClientGrants keybearer.ClientGrantStore
	// Rival is the same stores, opened a second time as another replica does, where that can be. Half of
	// those who race go there, and what one has written the other reads.
	Rival *Stores
}

// of gives the stores that the i-th of several rivals works with.
func (s Stores) of(i int) Stores {
	if i%2 == 1 && s.Rival != nil {
		return *s.Rival
	}
	return s
}

// All lists every interface that one store implements.
func All(store any) Stores {
	var s Stores
	s.Connections, _ = store.(keybearer.ConnectionStore)
	s.Upkeep, _ = store.(keybearer.UpkeepStore)
	s.Reseal, _ = store.(keybearer.ResealStore)
	s.Flows, _ = store.(keybearer.FlowStore)
	s.Attempts, _ = store.(keybearer.AttemptStore)
	s.Providers, _ = store.(keybearer.ProviderStore)
	s.Keys, _ = store.(keybearer.KeyStore)
	s.Accounts, _ = store.(keybearer.AccountStore)
	s.Sessions, _ = store.(keybearer.SessionStore)
	s.Settings, _ = store.(keybearer.SettingStore)
	s.Leases, _ = store.(keybearer.Leaser)
	s.Workers, _ = store.(keybearer.WorkerStore)
	s.ToolSecrets, _ = store.(keybearer.ToolSecretStore)
	s.Runs, _ = store.(keybearer.RunStore)
	s.Clients, _ = store.(keybearer.RegisteredClientStore)
	s.ClientGrants, _ = store.(keybearer.ClientGrantStore)
	return s
}

// Run examines the stores that open gives. It calls open for every test, and each time expects empty
// stores, which open closes with t.Cleanup.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	t.Helper()
	examined := 0
	for _, part := range []struct {
		name string
		has  func(Stores) bool
		exam []question
	}{
		{"Connections", func(s Stores) bool { return s.Connections != nil }, connectionExam()},
		{"Reseal", func(s Stores) bool { return s.Reseal != nil }, resealExam()},
		{"Upkeep", func(s Stores) bool { return s.Upkeep != nil && s.Connections != nil }, upkeepExam()},
		{"Flows", func(s Stores) bool { return s.Flows != nil }, flowExam()},
		{"Attempts", func(s Stores) bool { return s.Attempts != nil }, attemptExam()},
		{"Providers", func(s Stores) bool { return s.Providers != nil }, providerExam()},
		{"Keys", func(s Stores) bool { return s.Keys != nil }, keyExam()},
		{"Accounts", func(s Stores) bool { return s.Accounts != nil }, accountExam()},
		{"Sessions", func(s Stores) bool { return s.Sessions != nil }, sessionExam()},
		{"Settings", func(s Stores) bool { return s.Settings != nil }, settingExam()},
		{"Leases", func(s Stores) bool { return s.Leases != nil }, leaseExam()},
		{"Workers", func(s Stores) bool { return s.Workers != nil }, workerExam()},
		{"ToolSecrets", func(s Stores) bool { return s.ToolSecrets != nil }, toolSecretExam()},
		{"Runs", func(s Stores) bool { return s.Runs != nil }, runExam()},
		{"Clients", func(s Stores) bool { return s.Clients != nil && s.ClientGrants != nil }, clientExam()},
	} {
		if !part.has(open(t)) {
			continue
		}
		examined++
		t.Run(part.name, func(t *testing.T) {
			for _, q := range part.exam {
				t.Run(q.name, func(t *testing.T) { q.ask(t, open(t)) })
			}
		})
	}
	if examined == 0 {
		t.Fatal("storetest: no store to examine")
	}
}

type question struct {
	name string
	ask  func(t *testing.T, s Stores)
}

// rivals is how many goroutines race for one thing.
const rivals = 100

// race runs n calls at once and gives their errors in order.
func race(n int, call func(i int) error) []error {
	var (
		errs  = make([]error, n)
		start = make(chan struct{})
		wait  sync.WaitGroup
	)
	for i := range n {
		wait.Go(func() {
			<-start
			errs[i] = call(i)
		})
	}
	close(start)
	wait.Wait()
	return errs
}

// oneWins checks that exactly one call of a race succeeded and that the others lost with a kind.
func oneWins(t *testing.T, errs []error, lost keybearer.Kind) {
	t.Helper()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("got %v from a rival, want %v", err, lost)
		}
	}
	if won != 1 {
		t.Errorf("got %d winners of %d rivals, want 1", won, len(errs))
	}
}

func wantKind(t *testing.T, doing string, err error, want keybearer.Kind) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want an error of kind %v", doing, err, want)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := difference(got, want); diff != "" {
		t.Errorf("%s: got the other than want (-want +got):\n%s", what, diff)
	}
}

// difference is [cmp.Diff], which takes its time for every byte, where there may be one.
func difference[T any](got, want T) string {
	if reflect.DeepEqual(got, want) {
		return ""
	}
	return cmp.Diff(want, got)
}

// at is a fixed time in another zone, with nanoseconds: stores give it back in UTC, to the microsecond.
func at(seconds int) time.Time {
	zone := time.FixedZone("somewhere", 3600)
	return time.Date(2026, 3, 1, 12, 0, seconds, 123456789, zone)
}

// kept is what a store makes of a time.
func kept(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// hash is 32 bytes that differ for each n.
func hash(n int) []byte {
	b := make([]byte, 32)
	copy(b, hex.EncodeToString(fmt.Appendf(nil, "%08d", n)))
	return b
}
