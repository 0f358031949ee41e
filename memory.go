package keybearer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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
// [Leaser], passes the exam of package storetest, and is safe for concurrent use. Flows, attempts
// and sessions that ended more than an hour ago are forgotten when there are many.
type Memory struct {
	now func() time.Time

	mu          sync.Mutex
	connections map[connectionKey]Connection
	refs        map[Ref]ConnectionID
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
	leases      map[string]*memoryLease
	generation  int64 // of all leases, so that it never falls when one is forgotten
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

// memoryProvider keeps the settings as JSON, as a database does: a definition has maps and pointers
// that must not be shared with the caller.
type memoryProvider struct {
	Provider
	settings []byte
}

type memoryLease struct {
	generation int64
	until      time.Time
	released   chan struct{}
}

var (
	_ ConnectionStore = (*Memory)(nil)
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
		leases:      make(map[string]*memoryLease),
		sweepAt:     memorySweepFrom,
	}
}

// Connection implements [ConnectionStore].
func (m *Memory) Connection(_ context.Context, ref Ref) (Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, ok := m.refs[ref]
	if !ok {
		return Connection{}, Errorf(NotFound, "no connection of %s", ref)
	}
	return m.connections[connectionKey{ref.Project, id}].clone(), nil
}

// ConnectionByID implements [ConnectionStore].
func (m *Memory) ConnectionByID(_ context.Context, project ProjectID, id ConnectionID) (Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.connections[connectionKey{project, id}]
	if !ok {
		return Connection{}, Errorf(NotFound, "no connection %q", id)
	}
	return c.clone(), nil
}

// PutConnection implements [ConnectionStore].
func (m *Memory) PutConnection(_ context.Context, c Connection, ifVersion int64) (Connection, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := connectionKey{c.Project, c.ID}
	old, idTaken := m.connections[key]
	_, refTaken := m.refs[c.Ref]
	switch {
	case ifVersion == 0 && (idTaken || refTaken):
		return Connection{}, Errorf(Conflict, "the connection of %s exists already", c.Ref)
	case ifVersion != 0 && (!idTaken || old.Ref != c.Ref || old.Version != ifVersion):
		return Connection{}, Errorf(Conflict, "the connection of %s was changed by somebody else", c.Ref)
	}
	c = c.clone()
	c.Version = ifVersion + 1
	m.connections[key], m.refs[c.Ref] = c, c.ID
	return c.clone(), nil
}

// Connections implements [ConnectionStore].
func (m *Memory) Connections(_ context.Context, filter ConnectionFilter) ([]Connection, int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var found []Connection
	for _, c := range m.connections {
		if filter.matches(c) {
			found = append(found, c)
		}
	}
	slices.SortFunc(found, func(a, b Connection) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	total := len(found)
	limit, offset := filter.Page()
	page := found[min(offset, total):min(offset+limit, total)]
	for i, c := range page {
		page[i] = c.clone()
	}
	return slices.Clip(page), total, nil
}

func (f ConnectionFilter) matches(c Connection) bool {
	return (f.Project == "" || f.Project == c.Project) &&
		(f.User == "" || f.User == c.User) &&
		(f.Provider == "" || f.Provider == c.Provider) &&
		(len(f.Providers) == 0 || slices.Contains(f.Providers, c.Provider))
}

// Page gives the limit and the offset that stores use: 25 rows for 0, never more than 1000, and
// nothing negative.
func (f ConnectionFilter) Page() (limit, offset int) {
	limit = defaultPage
	if f.Limit > 0 {
		limit = min(f.Limit, maxPage)
	}
	return limit, min(max(f.Offset, 0), 1<<31)
}

// DeleteConnection implements [ConnectionStore].
func (m *Memory) DeleteConnection(_ context.Context, project ProjectID, id ConnectionID, ifVersion int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := connectionKey{project, id}
	c, ok := m.connections[key]
	if !ok {
		return Errorf(NotFound, "no connection %q", id)
	}
	if c.Version != ifVersion {
		return Errorf(Conflict, "connection %q was changed by somebody else", id)
	}
	delete(m.connections, key)
	delete(m.refs, c.Ref)
	return nil
}

// CreateFlow implements [FlowStore].
func (m *Memory) CreateFlow(_ context.Context, f Flow, now time.Time) (Flow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	same := pendingKey{f.Ref, askedKey(f.Asked)}
	if id, ok := m.pending[same]; ok {
		old := m.flows[flowKey{f.Project, id}]
		if old.Deadline.After(now) {
			if f.NextURI != "" && f.NextURI != old.NextURI {
				old.NextURI = f.NextURI
				old.Version++
				m.putFlow(old)
			}
			return old.clone(), nil
		}
		old.State = FlowExpired
		old.Version++
		m.putFlow(old)
	}
	if _, taken := m.flows[flowKey{f.Project, f.ID}]; taken {
		return Flow{}, Errorf(Conflict, "authorization %q exists already", f.ID)
	}
	f = f.clone()
	f.State, f.Version = FlowPending, 1
	m.putFlow(f)
	return f.clone(), nil
}

// putFlow writes a row and keeps the two indexes.
func (m *Memory) putFlow(f Flow) {
	m.dropFlowIndexes(m.flows[flowKey{f.Project, f.ID}])
	m.flows[flowKey{f.Project, f.ID}] = f
	if f.State == FlowPending {
		m.pending[pendingKey{f.Ref, askedKey(f.Asked)}] = f.ID
	}
	if f.VerificationID != "" {
		m.verifying[verifyingKey{f.Project, f.VerificationID}] = f.ID
	}
}

func (m *Memory) dropFlowIndexes(f Flow) {
	if same := (pendingKey{f.Ref, askedKey(f.Asked)}); m.pending[same] == f.ID {
		delete(m.pending, same)
	}
	delete(m.verifying, verifyingKey{f.Project, f.VerificationID})
}

// askedKey is the same text for the same set of scopes.
func askedKey(scopes []string) string {
	text, err := json.Marshal(sortedSet(scopes))
	if err != nil {
		panic(fmt.Sprintf("writing a list of strings as JSON: %v", err))
	}
	return string(text)
}

func sortedSet(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }

// Flow implements [FlowStore].
func (m *Memory) Flow(_ context.Context, project ProjectID, id AuthorizationID) (Flow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.flows[flowKey{project, id}]
	if !ok {
		return Flow{}, Errorf(NotFound, "no authorization %q", id)
	}
	return f.clone(), nil
}

// FlowByVerification implements [FlowStore].
func (m *Memory) FlowByVerification(_ context.Context, project ProjectID, id FlowID) (Flow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, ok := m.verifying[verifyingKey{project, id}]
	if !ok || id == "" {
		return Flow{}, Errorf(NotFound, "no flow with this id")
	}
	return m.flows[flowKey{project, of}].clone(), nil
}

// AdvanceFlow implements [FlowStore].
func (m *Memory) AdvanceFlow(_ context.Context, f Flow) (Flow, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.flows[flowKey{f.Project, f.ID}]
	if !ok || old.Ref != f.Ref || old.Version != f.Version {
		return Flow{}, Errorf(Conflict, "authorization %q was changed by somebody else", f.ID)
	}
	if id, taken := m.verifying[verifyingKey{f.Project, f.VerificationID}]; taken && id != f.ID {
		return Flow{}, Errorf(Conflict, "another authorization has the same flow id")
	}
	f = f.clone()
	f.Version++
	m.putFlow(f)
	return f.clone(), nil
}

// PutAttempt implements [AttemptStore].
func (m *Memory) PutAttempt(_ context.Context, a Attempt) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	hash := string(a.StateHash)
	if _, taken := m.attempts[hash]; taken {
		return Errorf(Conflict, "this state exists already")
	}
	m.attempts[hash] = a.clone()
	of := flowKey{a.Project, a.Flow}
	m.byFlow[of] = append(m.byFlow[of], hash)
	for len(m.byFlow[of]) > maxAttempts {
		m.dropAttempt(m.byFlow[of][0])
	}
	return nil
}

// TakeAttempt implements [AttemptStore].
func (m *Memory) TakeAttempt(_ context.Context, stateHash []byte) (Attempt, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.attempts[string(stateHash)]
	if !ok {
		return Attempt{}, Errorf(NotFound, "no attempt with this state")
	}
	m.dropAttempt(string(stateHash))
	return a.clone(), nil
}

func (m *Memory) dropAttempt(hash string) {
	a := m.attempts[hash]
	delete(m.attempts, hash)
	of := flowKey{a.Project, a.Flow}
	m.byFlow[of] = slices.DeleteFunc(m.byFlow[of], func(h string) bool { return h == hash })
	if len(m.byFlow[of]) == 0 {
		delete(m.byFlow, of)
	}
}

// Providers implements [ProviderStore].
func (m *Memory) Providers(_ context.Context, project ProjectID) ([]Provider, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Provider
	for key, p := range m.providers {
		if key.project != project {
			continue
		}
		out, err := p.open()
		if err != nil {
			return nil, err
		}
		list = append(list, out)
	}
	slices.SortFunc(list, func(a, b Provider) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// PutProvider implements [ProviderStore].
func (m *Memory) PutProvider(_ context.Context, p Provider, ifVersion int64) (Provider, error) {
	settings, err := json.Marshal(p.Settings)
	if err != nil {
		return Provider{}, fmt.Errorf("writing the settings of provider %q: %w", p.ID, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	key := providerKey{p.Project, p.ID}
	// A provider that is not there has version 0.
	if m.providers[key].Version != ifVersion {
		return Provider{}, Errorf(Conflict, "provider %q was changed by somebody else", p.ID)
	}
	p.ClientSecret = storedList(p.ClientSecret)
	p.CreatedAt, p.UpdatedAt = storedTime(p.CreatedAt), storedTime(p.UpdatedAt)
	p.Version = ifVersion + 1
	m.providers[key] = memoryProvider{Provider: p, settings: settings}
	return m.providers[key].open()
}

func (p memoryProvider) open() (Provider, error) {
	out := p.Provider
	var fresh Provider
	if err := json.Unmarshal(p.settings, &fresh.Settings); err != nil {
		return Provider{}, fmt.Errorf("reading the settings of provider %q: %w", out.ID, err)
	}
	out.Settings, out.Definition = fresh.Settings, fresh.Definition
	out.ClientSecret = storedList(out.ClientSecret)
	return out, nil
}

// DeleteProvider implements [ProviderStore].
func (m *Memory) DeleteProvider(_ context.Context, project ProjectID, id ProviderID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := providerKey{project, id}
	if _, ok := m.providers[key]; !ok {
		return Errorf(NotFound, "no provider %q", id)
	}
	delete(m.providers, key)
	return nil
}

// KeyByHash implements [KeyStore].
func (m *Memory) KeyByHash(_ context.Context, hash []byte) (Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.keyHashes[string(hash)]
	if !ok {
		return Key{}, Errorf(NotFound, "no such API key")
	}
	return m.keys[at].clone(), nil
}

// PutKey implements [KeyStore].
func (m *Memory) PutKey(_ context.Context, k Key) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := keyKey{k.Project, k.ID}
	if other, taken := m.keyHashes[string(k.Hash)]; taken && other != at {
		return Errorf(Conflict, "another API key has the same text")
	}
	delete(m.keyHashes, string(m.keys[at].Hash))
	m.keys[at] = k.clone()
	m.keyHashes[string(k.Hash)] = at
	return nil
}

// Keys implements [KeyStore].
func (m *Memory) Keys(_ context.Context, project ProjectID) ([]Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Key
	for at, k := range m.keys {
		if at.project == project {
			list = append(list, k.clone())
		}
	}
	slices.SortFunc(list, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return list, nil
}

// Account implements [AccountStore].
func (m *Memory) Account(_ context.Context, project ProjectID, user UserID) (Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.accounts[accountKey{project, user}]
	if !ok {
		return Account{}, Errorf(NotFound, "no account %q", user)
	}
	return a, nil
}

// PutAccount implements [AccountStore].
func (m *Memory) PutAccount(_ context.Context, a Account) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a.CreatedAt = storedTime(a.CreatedAt)
	m.accounts[accountKey{a.Project, a.User}] = a
	return nil
}

// Accounts implements [AccountStore].
func (m *Memory) Accounts(_ context.Context, project ProjectID) ([]Account, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Account
	for at, a := range m.accounts {
		if at.project == project {
			list = append(list, a)
		}
	}
	slices.SortFunc(list, func(a, b Account) int { return cmp.Compare(a.User, b.User) })
	return list, nil
}

// DeleteAccount implements [AccountStore].
func (m *Memory) DeleteAccount(_ context.Context, project ProjectID, user UserID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := accountKey{project, user}
	if _, ok := m.accounts[at]; !ok {
		return Errorf(NotFound, "no account %q", user)
	}
	delete(m.accounts, at)
	maps.DeleteFunc(m.sessions, func(_ string, s Session) bool { return s.Project == project && s.User == user })
	return nil
}

// PutSession implements [SessionStore].
func (m *Memory) PutSession(_ context.Context, s Session) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep()
	s.Hash, s.Expires = storedList(s.Hash), storedTime(s.Expires)
	m.sessions[string(s.Hash)] = s
	return nil
}

// Session implements [SessionStore].
func (m *Memory) Session(_ context.Context, hash []byte) (Session, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok := m.sessions[string(hash)]
	if !ok {
		return Session{}, Errorf(NotFound, "no such session")
	}
	s.Hash = storedList(s.Hash)
	return s, nil
}

// DeleteSession implements [SessionStore].
func (m *Memory) DeleteSession(_ context.Context, hash []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.sessions[string(hash)]; !ok {
		return Errorf(NotFound, "no such session")
	}
	delete(m.sessions, string(hash))
	return nil
}

// Setting implements [SettingStore].
func (m *Memory) Setting(_ context.Context, project ProjectID, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.settings[settingKey{project, name}]
	if !ok {
		return nil, Errorf(NotFound, "no setting %q", name)
	}
	return storedList(value), nil
}

// PutSetting implements [SettingStore].
func (m *Memory) PutSetting(_ context.Context, project ProjectID, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.settings[settingKey{project, name}] = storedList(value)
	return nil
}

// Acquire implements [Leaser]. While it waits on another clock than the system's it looks at that
// clock twenty times a second.
func (m *Memory) Acquire(ctx context.Context, key string, ttl time.Duration) (Lease, error) {
	for {
		lease, held, wait := m.tryAcquire(key, ttl)
		if held == nil {
			return lease, nil
		}
		timer := time.NewTimer(min(wait, leaseLook))
		select {
		case <-held.released:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return Lease{}, fmt.Errorf("waiting for the lease %q: %w", key, ctx.Err())
		}
		timer.Stop()
	}
}

// tryAcquire takes the lease, or says who holds it and how long at most.
func (m *Memory) tryAcquire(key string, ttl time.Duration) (Lease, *memoryLease, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if held, ok := m.leases[key]; ok && now.Before(held.until) {
		return Lease{}, held, held.until.Sub(now)
	}
	m.generation++
	m.leases[key] = &memoryLease{generation: m.generation, until: now.Add(ttl), released: make(chan struct{})}
	return Lease{Key: key, Generation: m.generation}, nil, 0
}

// Release implements [Leaser].
func (m *Memory) Release(_ context.Context, l Lease) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if held, ok := m.leases[l.Key]; ok && held.generation == l.Generation {
		delete(m.leases, l.Key)
		close(held.released)
	}
	return nil
}

// sweep forgets what ended long ago, once the rows have doubled: its cost is spread over the writes.
func (m *Memory) sweep() {
	if len(m.flows)+len(m.attempts)+len(m.sessions) < m.sweepAt {
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
	m.sweepAt = max(memorySweepFrom, 2*(len(m.flows)+len(m.attempts)+len(m.sessions)))
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

func (c Connection) clone() Connection {
	c.Scopes = storedList(c.Scopes)
	c.Grant = storedList(c.Grant)
	c.IssuedAt, c.ExpiresAt = storedTime(c.IssuedAt), storedTime(c.ExpiresAt)
	c.CreatedAt, c.UpdatedAt = storedTime(c.CreatedAt), storedTime(c.UpdatedAt)
	return c
}

func (f Flow) clone() Flow {
	f.Scopes, f.Asked, f.Granted = storedList(f.Scopes), storedList(f.Asked), storedList(f.Granted)
	f.Grant = storedList(f.Grant)
	f.IssuedAt, f.ExpiresAt = storedTime(f.IssuedAt), storedTime(f.ExpiresAt)
	f.CreatedAt, f.Deadline = storedTime(f.CreatedAt), storedTime(f.Deadline)
	return f
}

func (a Attempt) clone() Attempt {
	a.StateHash, a.BrowserHash = storedList(a.StateHash), storedList(a.BrowserHash)
	a.Verifier = storedList(a.Verifier)
	a.CreatedAt, a.Deadline = storedTime(a.CreatedAt), storedTime(a.Deadline)
	return a
}

func (k Key) clone() Key {
	k.Hash, k.Providers = storedList(k.Hash), storedList(k.Providers)
	k.CreatedAt, k.RevokedAt = storedTime(k.CreatedAt), storedTime(k.RevokedAt)
	return k
}
