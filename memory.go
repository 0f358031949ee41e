package keybearer

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	maxPage         = 1000
	defaultPage     = 25
	maxAttempts     = 20
	memorySweepFrom = 1024          // rows of a kind before the first sweep
	memoryKeeps     = 1 * time.Hour // how long an ended flow can still be asked about
	leaseLook       = 50 * time.Millisecond
)

// Memory keeps everything in this process's memory: the stores of a Config that names none, for
// tests and for programs whose connections need not outlive them. It implements every store and
// [Leaser], passes the exam of package storetest, and is safe for concurrent use. Flows, attempts,
// sessions and runs that ended more than an hour ago are forgotten when there are many.
type Memory struct {
	now func() time.Time

	mu          sync.Mutex
	connections map[connectionKey]Connection
	refs        map[Ref]ConnectionID
	plans       map[planKey]*memoryPlan
	planned     map[connectionKey]*plannedConnection // every element of plans
	flows       map[flowKey]Flow
	pending     map[pendingKey]AuthorizationID
	verifying   map[verifyingKey]AuthorizationID
	attempts    map[string]Attempt
	byFlow      map[flowKey][]string // hashes of the states, oldest first
	providers   map[providerKey]memoryProvider
	keys        map[keyKey]Key
	keyHashes   map[string]keyKey
	accounts    map[accountKey]Account
	sessions    map[string]Session
	settings    map[settingKey][]byte
	tools       memoryTools
	clients     memoryClients
	leases      map[string]*memoryLease
	generation  int64 // of all leases, so that it never falls when one is forgotten, nor with the next process
	sweepAt     int
}

type (
	connectionKey struct {
		project ProjectID
		id      ConnectionID
	}
	flowKey struct {
		project ProjectID
		id      AuthorizationID
	}
	pendingKey struct {
		ref   Ref
		asked string
	}
	verifyingKey struct {
		project ProjectID
		id      FlowID
	}
	providerKey struct {
		project ProjectID
		id      ProviderID
	}
	keyKey struct {
		project ProjectID
		id      string
	}
	accountKey struct {
		project ProjectID
		user    UserID
	}
	settingKey struct {
		project ProjectID
		name    string
	}
)

var (
	_ ConnectionStore = (*Memory)(nil)
	_ UpkeepStore     = (*Memory)(nil)
	_ FlowStore       = (*Memory)(nil)
	_ AttemptStore    = (*Memory)(nil)
	_ ProviderStore   = (*Memory)(nil)
	_ KeyStore        = (*Memory)(nil)
	_ AccountStore    = (*Memory)(nil)
	_ SessionStore    = (*Memory)(nil)
	_ SettingStore    = (*Memory)(nil)
	_ Leaser          = (*Memory)(nil)
)

// NewMemory makes an empty Memory on the system's clock.
func NewMemory() *Memory { return NewMemoryClock(time.Now) }

// NewMemoryClock makes an empty Memory on another clock; leases and the forgetting follow it.
func NewMemoryClock(now func() time.Time) *Memory {
	return &Memory{
		now:         now,
		connections: make(map[connectionKey]Connection),
		refs:        make(map[Ref]ConnectionID),
		plans:       make(map[planKey]*memoryPlan),
		planned:     make(map[connectionKey]*plannedConnection),
		flows:       make(map[flowKey]Flow),
		pending:     make(map[pendingKey]AuthorizationID),
		verifying:   make(map[verifyingKey]AuthorizationID),
		attempts:    make(map[string]Attempt),
		byFlow:      make(map[flowKey][]string),
		providers:   make(map[providerKey]memoryProvider),
		keys:        make(map[keyKey]Key),
		keyHashes:   make(map[string]keyKey),
		accounts:    make(map[accountKey]Account),
		sessions:    make(map[string]Session),
		settings:    make(map[settingKey][]byte),
		tools:       newMemoryTools(),
		leases:      make(map[string]*memoryLease),
		generation:  now().UnixMicro(),
		sweepAt:     memorySweepFrom,
	}
}

// sweep forgets what ended long ago, once the rows have doubled: its cost is spread over the writes.
func (m *Memory) sweep() {
	if len(m.flows)+len(m.attempts)+len(m.sessions)+len(m.tools.runs) < m.sweepAt {
		return
	}
	before := m.now().Add(-memoryKeeps)
	for key, f := range m.flows {
		if f.Deadline.Before(before) {
			m.dropFlowIndexes(f)
			delete(m.flows, key)
		}
	}
	for hash, a := range m.attempts {
		if a.Deadline.Before(before) {
			m.dropAttempt(hash)
		}
	}
	maps.DeleteFunc(m.sessions, func(_ string, s Session) bool { return s.Expires.Before(before) })
	maps.DeleteFunc(m.tools.runs, func(_ runKey, r Run) bool { return r.Over() && r.FinishedAt.Before(before) })
	m.sweepAt = max(memorySweepFrom, 2*(len(m.flows)+len(m.attempts)+len(m.sessions)+len(m.tools.runs)))
}

// storedTime is what every store gives back for a time: to the microsecond, in UTC, without the
// monotonic clock.
func storedTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.UnixMicro(t.UnixMicro()).UTC()
}

// storedList is what every store gives back for a list or for bytes: a copy, and nil for an empty one.
func storedList[L ~[]T, T any](list L) L {
	if len(list) == 0 {
		return nil
	}
	return slices.Clone(list)
}
