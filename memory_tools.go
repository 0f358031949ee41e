package keybearer

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
)

var (
	_ WorkerStore     = (*Memory)(nil)
	_ ToolSecretStore = (*Memory)(nil)
	_ RunStore        = (*Memory)(nil)
)

type (
	workerKey struct {
		project ProjectID
		id      WorkerID
	}
	secretKey struct {
		project ProjectID
		id      string
	}
	runKey struct {
		project ProjectID
		id      RunID
	}
)

// memoryTools is the part of a Memory that is about tools.
type memoryTools struct {
	workers map[workerKey]Worker
	secrets map[secretKey]ToolSecret
	runs    map[runKey]Run
}

func newMemoryTools() memoryTools {
	return memoryTools{workers: map[workerKey]Worker{}, secrets: map[secretKey]ToolSecret{}, runs: map[runKey]Run{}}
}

// Workers implements [WorkerStore].
func (m *Memory) Workers(_ context.Context, project ProjectID) ([]Worker, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Worker
	for key, w := range m.tools.workers {
		if key.project == project {
			list = append(list, w.clone())
		}
	}
	slices.SortFunc(list, func(a, b Worker) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// PutWorker implements [WorkerStore].
func (m *Memory) PutWorker(_ context.Context, w Worker, ifVersion int64) (Worker, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := workerKey{w.Project, w.ID}
	if m.tools.workers[key].Version != ifVersion {
		return Worker{}, Errorf(Conflict, "worker %q was changed by somebody else", w.ID)
	}
	w = w.clone()
	w.Version = ifVersion + 1
	m.tools.workers[key] = w
	return w.clone(), nil
}

// DeleteWorker implements [WorkerStore].
func (m *Memory) DeleteWorker(_ context.Context, project ProjectID, id WorkerID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := workerKey{project, id}
	if _, ok := m.tools.workers[key]; !ok {
		return Errorf(NotFound, "no worker %q", id)
	}
	delete(m.tools.workers, key)
	return nil
}

// ToolSecrets implements [ToolSecretStore].
func (m *Memory) ToolSecrets(_ context.Context, project ProjectID) ([]ToolSecret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []ToolSecret
	for key, s := range m.tools.secrets {
		if key.project == project {
			list = append(list, s.clone())
		}
	}
	slices.SortFunc(list, func(a, b ToolSecret) int { return cmp.Compare(a.Key, b.Key) })
	return list, nil
}

// PutToolSecret implements [ToolSecretStore].
func (m *Memory) PutToolSecret(_ context.Context, s ToolSecret, ifVersion int64) (ToolSecret, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := secretKey{s.Project, s.ID}
	stored := m.tools.secrets[key]
	if stored.Version != ifVersion {
		return ToolSecret{}, Errorf(Conflict, "the secret %q was changed by somebody else", s.Key)
	}
	for at, other := range m.tools.secrets {
		if at != key && other.Project == s.Project && strings.EqualFold(other.Key, s.Key) {
			return ToolSecret{}, Errorf(Conflict, "there is a secret %q already", s.Key)
		}
	}
	s = s.clone()
	if stored.AccessedAt.After(s.AccessedAt) {
		s.AccessedAt = stored.AccessedAt
	}
	s.Version = ifVersion + 1
	m.tools.secrets[key] = s
	return s.clone(), nil
}

// DeleteToolSecret implements [ToolSecretStore].
func (m *Memory) DeleteToolSecret(_ context.Context, project ProjectID, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	key := secretKey{project, id}
	if _, ok := m.tools.secrets[key]; !ok {
		return Errorf(NotFound, "no secret %q", id)
	}
	delete(m.tools.secrets, key)
	return nil
}

// TouchToolSecrets implements [ToolSecretStore].
func (m *Memory) TouchToolSecrets(_ context.Context, project ProjectID, ids []string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		key := secretKey{project, id}
		if s, ok := m.tools.secrets[key]; ok && s.AccessedAt.Before(at) {
			s.AccessedAt = storedTime(at)
			m.tools.secrets[key] = s
		}
	}
	return nil
}

func (s ToolSecret) clone() ToolSecret {
	s.Value = storedList(s.Value)
	s.CreatedAt, s.UpdatedAt, s.AccessedAt = storedTime(s.CreatedAt), storedTime(s.UpdatedAt), storedTime(s.AccessedAt)
	return s
}
