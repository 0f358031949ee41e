package keybearer

import "context"

// memoryClients are the registered clients and what people gave them.
type memoryClients struct {
	registered map[memoryClientKey]RegisteredClient
	grants     map[memoryClientKey]ClientGrant
}

type memoryClientKey struct {
	project ProjectID
	id      string
}

// RegisteredClient implements [RegisteredClientStore].
func (m *Memory) RegisteredClient(_ context.Context, project ProjectID, id string) (RegisteredClient, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.clients.registered[memoryClientKey{project, id}]
	if !ok {
		return RegisteredClient{}, Errorf(NotFound, "no client %q", id)
	}
	return c.clone(), nil
}

// PutRegisteredClient implements [RegisteredClientStore].
func (m *Memory) PutRegisteredClient(_ context.Context, c RegisteredClient) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := memoryClientKey{c.Project, c.ID}
	if _, taken := m.clients.registered[key]; taken {
		return Errorf(Conflict, "there is a client %q already", c.ID)
	}
	if m.clients.registered == nil {
		m.clients.registered = map[memoryClientKey]RegisteredClient{}
	}
	m.clients.registered[key] = c.clone()
	return nil
}

// ClientGrant implements [ClientGrantStore].
func (m *Memory) ClientGrant(_ context.Context, project ProjectID, id string) (ClientGrant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	g, ok := m.clients.grants[memoryClientKey{project, id}]
	if !ok {
		return ClientGrant{}, Errorf(NotFound, "there is no such grant")
	}
	return g.clone(), nil
}

// PutClientGrant implements [ClientGrantStore].
func (m *Memory) PutClientGrant(_ context.Context, g ClientGrant, ifVersion int64) (ClientGrant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := memoryClientKey{g.Project, g.ID}
	if m.clients.grants[key].Version != ifVersion {
		return ClientGrant{}, Errorf(Conflict, "the grant was changed by somebody else")
	}
	if m.clients.grants == nil {
		m.clients.grants = map[memoryClientKey]ClientGrant{}
	}
	g = g.clone()
	g.Version = ifVersion + 1
	m.clients.grants[key] = g
	return g.clone(), nil
}

// DeleteClientGrant implements [ClientGrantStore].
func (m *Memory) DeleteClientGrant(_ context.Context, project ProjectID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := memoryClientKey{project, id}
	if _, ok := m.clients.grants[key]; !ok {
		return Errorf(NotFound, "there is no such grant")
	}
	delete(m.clients.grants, key)
	return nil
}
