package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
)

// Stores of flows and attempts, each with one defect.

type forgetsDryRuns struct{ *keybearer.Memory }

func (s forgetsDryRuns) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	f.DryRun = false
	return s.Memory.AdvanceFlow(ctx, f)
}

// unverified takes an empty verification id for that of a flow that has none yet.
type unverified struct {
	*keybearer.Memory
	last keybearer.Flow
}

func (s *unverified) CreateFlow(ctx context.Context, f keybearer.Flow, now time.Time) (_ keybearer.Flow, err error) {
	s.last, err = s.Memory.CreateFlow(ctx, f, now)
	return s.last, err
}

func (s *unverified) FlowByVerification(ctx context.Context, project keybearer.ProjectID, id keybearer.FlowID) (keybearer.Flow, error) {
	if id == "" {
		return s.last, nil
	}
	return s.Memory.FlowByVerification(ctx, project, id)
}

// advance writes a flow over whatever is there.
func advance(ctx context.Context, m *keybearer.Memory, f keybearer.Flow) (keybearer.Flow, error) {
	for {
		old, err := m.Flow(ctx, f.Project, f.ID)
		if err != nil {
			return keybearer.Flow{}, keybearer.Conflict
		}
		f.Version = old.Version
		next, err := m.AdvanceFlow(ctx, f)
		if !errors.Is(err, keybearer.Conflict) {
			return next, err
		}
	}
}

type blindFlows struct{ *keybearer.Memory }

func (s blindFlows) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	return advance(ctx, s.Memory, f)
}

type looksAtFlowsFirst struct{ *keybearer.Memory }

func (s looksAtFlowsFirst) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	if old, err := s.Flow(ctx, f.Project, f.ID); err != nil || old.Version != f.Version {
		return keybearer.Flow{}, keybearer.Conflict
	}
	pause()
	return advance(ctx, s.Memory, f)
}

type sharesFlows struct {
	*keybearer.Memory
	rows sync.Map
}

func (s *sharesFlows) Flow(ctx context.Context, project keybearer.ProjectID, id keybearer.AuthorizationID) (keybearer.Flow, error) {
	f, err := s.Memory.Flow(ctx, project, id)
	if err != nil {
		return f, err
	}
	kept, _ := s.rows.LoadOrStore(id, f)
	f.Scopes, f.Grant = kept.(keybearer.Flow).Scopes, kept.(keybearer.Flow).Grant
	return f, nil
}

type ignoresNextURI struct{ *keybearer.Memory }

func (s ignoresNextURI) CreateFlow(ctx context.Context, f keybearer.Flow, now time.Time) (keybearer.Flow, error) {
	f.NextURI = ""
	return s.Memory.CreateFlow(ctx, f, now)
}

type namelessFlows struct{ *keybearer.Memory }

func (s namelessFlows) CreateFlow(ctx context.Context, f keybearer.Flow, now time.Time) (keybearer.Flow, error) {
	f.Name = ""
	return s.Memory.CreateFlow(ctx, f, now)
}

type timelessFlows struct{ *keybearer.Memory }

func (s timelessFlows) CreateFlow(ctx context.Context, f keybearer.Flow, _ time.Time) (keybearer.Flow, error) {
	return s.Memory.CreateFlow(ctx, f, time.Time{})
}

type foreverPending struct{ *keybearer.Memory }

func (s foreverPending) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	f.State = keybearer.FlowPending
	return s.Memory.AdvanceFlow(ctx, f)
}

// alwaysNew has no index that keeps a second pending flow out.
type alwaysNew struct {
	*keybearer.Memory
	n atomic.Int64
}

func (s *alwaysNew) CreateFlow(ctx context.Context, f keybearer.Flow, now time.Time) (keybearer.Flow, error) {
	f.Asked = append([]string{fmt.Sprint(s.n.Add(1))}, f.Asked...)
	return s.Memory.CreateFlow(ctx, f, now)
}

// nextURIByRow reads the pending flow, and writes it when somebody else may have done so.
type nextURIByRow struct{ *keybearer.Memory }

func (s nextURIByRow) CreateFlow(ctx context.Context, f keybearer.Flow, now time.Time) (keybearer.Flow, error) {
	next := f.NextURI
	f.NextURI = ""
	got, err := s.Memory.CreateFlow(ctx, f, now)
	if err != nil || next == "" {
		return got, err
	}
	pause()
	got.NextURI = next
	return s.AdvanceFlow(ctx, got)
}

type manyVerifications struct{ *keybearer.Memory }

func (s manyVerifications) AdvanceFlow(ctx context.Context, f keybearer.Flow) (keybearer.Flow, error) {
	f.VerificationID += keybearer.FlowID(f.ID)
	return s.Memory.AdvanceFlow(ctx, f)
}

type keepsAttempts struct{ *keybearer.Memory }

func (s keepsAttempts) TakeAttempt(ctx context.Context, stateHash []byte) (keybearer.Attempt, error) {
	a, err := s.Memory.TakeAttempt(ctx, stateHash)
	if err == nil {
		err = s.PutAttempt(ctx, a)
	}
	return a, err
}

type emptyVerifiers struct{ *keybearer.Memory }

func (s emptyVerifiers) TakeAttempt(ctx context.Context, stateHash []byte) (keybearer.Attempt, error) {
	a, err := s.Memory.TakeAttempt(ctx, stateHash)
	if a.Verifier == nil {
		a.Verifier = []byte{}
	}
	return a, err
}

// callersAttempts keeps the slices of whoever put an attempt.
type callersAttempts struct {
	*keybearer.Memory
	put keybearer.Attempt
}

func (s *callersAttempts) PutAttempt(ctx context.Context, a keybearer.Attempt) error {
	s.put = a
	return s.Memory.PutAttempt(ctx, a)
}

func (s *callersAttempts) TakeAttempt(ctx context.Context, stateHash []byte) (keybearer.Attempt, error) {
	a, err := s.Memory.TakeAttempt(ctx, stateHash)
	a.Verifier = s.put.Verifier
	return a, err
}

// readsThenTakes gives an attempt to everybody who looks before it is deleted.
type readsThenTakes struct{ *keybearer.Memory }

func (s readsThenTakes) TakeAttempt(ctx context.Context, stateHash []byte) (keybearer.Attempt, error) {
	a, err := keepsAttempts(s).TakeAttempt(ctx, stateHash)
	pause()
	_, _ = s.Memory.TakeAttempt(ctx, stateHash)
	return a, err
}

type replacesAttempts struct{ *keybearer.Memory }

func (s replacesAttempts) PutAttempt(ctx context.Context, a keybearer.Attempt) error {
	if err := s.Memory.PutAttempt(ctx, a); !errors.Is(err, keybearer.Conflict) {
		return err
	}
	return nil
}

type unboundAttempts struct {
	*keybearer.Memory
	n atomic.Int64
}

func (s *unboundAttempts) PutAttempt(ctx context.Context, a keybearer.Attempt) error {
	a.Flow += keybearer.AuthorizationID(fmt.Sprint(s.n.Add(1)))
	return s.Memory.PutAttempt(ctx, a)
}
