package keybearer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

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

func (f Flow) clone() Flow {
	f.Scopes, f.Asked, f.Granted = storedList(f.Scopes), storedList(f.Asked), storedList(f.Granted)
	f.Grant = storedList(f.Grant)
	f.IssuedAt, f.ExpiresAt = storedTime(f.IssuedAt), storedTime(f.ExpiresAt)
	f.CreatedAt, f.Deadline = storedTime(f.CreatedAt), storedTime(f.Deadline)
	return f
}
