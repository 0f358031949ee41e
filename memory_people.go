package keybearer

import (
	"cmp"
	"context"
	"maps"
	"slices"
)

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

func (k Key) clone() Key {
	k.Hash, k.Providers = storedList(k.Hash), storedList(k.Providers)
	k.CreatedAt, k.RevokedAt = storedTime(k.CreatedAt), storedTime(k.RevokedAt)
	return k
}
