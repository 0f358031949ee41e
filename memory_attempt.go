package keybearer

import (
	"context"
	"slices"
)

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

func (a Attempt) clone() Attempt {
	a.StateHash, a.BrowserHash = storedList(a.StateHash), storedList(a.BrowserHash)
	a.Verifier = storedList(a.Verifier)
	a.CreatedAt, a.Deadline = storedTime(a.CreatedAt), storedTime(a.Deadline)
	return a
}
