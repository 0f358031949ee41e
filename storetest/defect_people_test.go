package storetest_test

import (
	"context"
	"errors"
	"sync"

	"github.com/keybearer/keybearer"
)

// Stores of providers, keys, accounts, sessions and settings, each with one defect.

type forgetsExternalIDs struct{ *keybearer.Memory }

func (s forgetsExternalIDs) PutProvider(ctx context.Context, p keybearer.Provider, ifVersion int64) (keybearer.Provider, error) {
	p.ExternalID = ""
	return s.Memory.PutProvider(ctx, p, ifVersion)
}

// versionOf is the stored version of a provider, 0 if there is none.
func versionOf(ctx context.Context, m *keybearer.Memory, p keybearer.Provider) int64 {
	list, _ := m.Providers(ctx, p.Project)
	for _, stored := range list {
		if stored.ID == p.ID {
			return stored.Version
		}
	}
	return 0
}

type blindProviders struct{ *keybearer.Memory }

func (s blindProviders) PutProvider(ctx context.Context, p keybearer.Provider, _ int64) (keybearer.Provider, error) {
	for {
		put, err := s.Memory.PutProvider(ctx, p, versionOf(ctx, s.Memory, p))
		if !errors.Is(err, keybearer.Conflict) {
			return put, err
		}
	}
}

type looksAtProvidersFirst struct{ *keybearer.Memory }

func (s looksAtProvidersFirst) PutProvider(ctx context.Context, p keybearer.Provider, ifVersion int64) (keybearer.Provider, error) {
	if versionOf(ctx, s.Memory, p) != ifVersion {
		return keybearer.Provider{}, keybearer.Conflict
	}
	pause()
	return blindProviders(s).PutProvider(ctx, p, ifVersion)
}

type sharesProviders struct {
	*keybearer.Memory
	list []keybearer.Provider
}

func (s *sharesProviders) Providers(ctx context.Context, project keybearer.ProjectID) (_ []keybearer.Provider, err error) {
	if s.list == nil {
		s.list, err = s.Memory.Providers(ctx, project)
	}
	return s.list, err
}

// oneProject does not tell projects apart.
type oneProject struct{ *keybearer.Memory }

func (s oneProject) DeleteProvider(ctx context.Context, _ keybearer.ProjectID, id keybearer.ProviderID) error {
	return s.Memory.DeleteProvider(ctx, "default", id)
}

func (s oneProject) Setting(ctx context.Context, _ keybearer.ProjectID, name string) ([]byte, error) {
	return s.Memory.Setting(ctx, "default", name)
}

// contentDeletes is content with a row that is gone already.
type contentDeletes struct{ *keybearer.Memory }

func (s contentDeletes) DeleteProvider(ctx context.Context, project keybearer.ProjectID, id keybearer.ProviderID) error {
	return content(s.Memory.DeleteProvider(ctx, project, id))
}

func (s contentDeletes) DeleteAccount(ctx context.Context, project keybearer.ProjectID, user keybearer.UserID) error {
	return content(s.Memory.DeleteAccount(ctx, project, user))
}

func (s contentDeletes) DeleteSession(ctx context.Context, hash []byte) error {
	return content(s.Memory.DeleteSession(ctx, hash))
}

func content(err error) error {
	if errors.Is(err, keybearer.NotFound) {
		return nil
	}
	return err
}

type hidesRevoked struct{ *keybearer.Memory }

func (s hidesRevoked) KeyByHash(ctx context.Context, hash []byte) (keybearer.Key, error) {
	k, err := s.Memory.KeyByHash(ctx, hash)
	if !k.RevokedAt.IsZero() {
		return keybearer.Key{}, keybearer.NotFound
	}
	return k, err
}

// oldTexts goes on to find a key by the text that it had before.
type oldTexts struct {
	*keybearer.Memory
	texts sync.Map
}

func (s *oldTexts) PutKey(ctx context.Context, k keybearer.Key) error {
	s.texts.Store(string(k.Hash), k)
	return s.Memory.PutKey(ctx, k)
}

func (s *oldTexts) KeyByHash(ctx context.Context, hash []byte) (keybearer.Key, error) {
	k, err := s.Memory.KeyByHash(ctx, hash)
	if old, ok := s.texts.Load(string(hash)); ok && err != nil {
		return old.(keybearer.Key), nil
	}
	return k, err
}

type sharesKeys struct {
	*keybearer.Memory
	kept sync.Map
}

func (s *sharesKeys) KeyByHash(ctx context.Context, hash []byte) (keybearer.Key, error) {
	k, err := s.Memory.KeyByHash(ctx, hash)
	kept, _ := s.kept.LoadOrStore(string(hash), k)
	return kept.(keybearer.Key), err
}

type acceptsTwins struct{ *keybearer.Memory }

func (s acceptsTwins) PutKey(ctx context.Context, k keybearer.Key) error {
	if err := s.Memory.PutKey(ctx, k); !errors.Is(err, keybearer.Conflict) {
		return err
	}
	return nil
}

type forgetsAdmins struct{ *keybearer.Memory }

func (s forgetsAdmins) PutAccount(ctx context.Context, a keybearer.Account) error {
	a.Admin = false
	return s.Memory.PutAccount(ctx, a)
}

// keepsSessions leaves those signed in whose account is deleted.
type keepsSessions struct {
	*keybearer.Memory
	sessions []keybearer.Session
}

func (s *keepsSessions) PutSession(ctx context.Context, session keybearer.Session) error {
	s.sessions = append(s.sessions, session)
	return s.Memory.PutSession(ctx, session)
}

func (s *keepsSessions) DeleteAccount(ctx context.Context, project keybearer.ProjectID, user keybearer.UserID) error {
	errs := []error{s.Memory.DeleteAccount(ctx, project, user)}
	for _, session := range s.sessions {
		errs = append(errs, s.Memory.PutSession(ctx, session))
	}
	return errors.Join(errs...)
}

// firstCreation replaces all of an account but one column.
type firstCreation struct{ *keybearer.Memory }

func (s firstCreation) PutAccount(ctx context.Context, a keybearer.Account) error {
	if old, err := s.Account(ctx, a.Project, a.User); err == nil {
		a.CreatedAt = old.CreatedAt
	}
	return s.Memory.PutAccount(ctx, a)
}

type firstSession struct{ *keybearer.Memory }

func (s firstSession) PutSession(ctx context.Context, session keybearer.Session) error {
	if _, err := s.Session(ctx, session.Hash); err == nil {
		return nil
	}
	return s.Memory.PutSession(ctx, session)
}

// insertsOnly does not replace what is there.
type insertsOnly struct{ *keybearer.Memory }

func (s insertsOnly) PutSession(ctx context.Context, session keybearer.Session) error {
	if _, err := s.Session(ctx, session.Hash); err == nil {
		return keybearer.Conflict
	}
	return s.Memory.PutSession(ctx, session)
}

func (s insertsOnly) PutSetting(ctx context.Context, project keybearer.ProjectID, name string, value []byte) error {
	if _, err := s.Setting(ctx, project, name); err == nil {
		return keybearer.Conflict
	}
	return s.Memory.PutSetting(ctx, project, name, value)
}
