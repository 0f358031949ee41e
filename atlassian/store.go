package atlassian

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
)

// Store keeps what a [Client] has to remember: one JSON object of a few kilobytes, the map of
// AtlassianApiModule with one key more. It holds tokens: keep it as a secret, or put [Sealed] around it.
//
// Several clients, also in several processes, may share one: Swap is what keeps them apart. Methods may be
// called concurrently. An error that is no [keybearer.Conflict] means that nobody knows what is stored.
type Store interface {
	// Load gives what was stored last, or nil.
	Load(ctx context.Context) ([]byte, error)
	// Swap stores next if what is stored is still old (nil: nothing), and is [keybearer.Conflict] otherwise.
	// When it returns, next has to outlive the process.
	Swap(ctx context.Context, old, next []byte) error
}

// MemoryStore is a [Store] that ends with the process. The zero one is empty.
type MemoryStore struct {
	mu    sync.Mutex
	state []byte
}

var _ Store = (*MemoryStore)(nil)

// Load implements [Store].
func (m *MemoryStore) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.state), nil
}

// Swap implements [Store].
func (m *MemoryStore) Swap(_ context.Context, old, next []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !bytes.Equal(m.state, old) {
		return errSwapped
	}
	m.state = bytes.Clone(next)
	return nil
}

var errSwapped = keybearer.Errorf(keybearer.Conflict, "somebody else has stored something meanwhile")

// Sealed seals what another store keeps, with a [seal.Keyring] for example, so that whoever reads it there
// learns nothing. What is there already in the clear is sealed by the first write.
func Sealed(inner Store, sealer keybearer.Sealer) Store { return &sealed{inner, sealer} }

type sealed struct {
	inner  Store
	sealer keybearer.Sealer
}

func place() []byte { return seal.Place("atlassian", "state") }

// Load implements [Store].
func (s *sealed) Load(ctx context.Context) ([]byte, error) {
	_, plain, err := s.load(ctx)
	return plain, err
}

func (s *sealed) load(ctx context.Context) (raw, plain []byte, err error) {
	raw, err = s.inner.Load(ctx)
	if err != nil || len(raw) == 0 || raw[0] == '{' { // a sealed value begins with its version
		return raw, raw, err
	}
	if plain, err = s.sealer.Open(raw, place()); err != nil {
		return nil, nil, keybearer.Errorf(keybearer.Internal, "opening the stored state: %w", err)
	}
	return raw, plain, nil
}

// Swap implements [Store]. No two sealed values are alike, so what is compared is what is in them.
func (s *sealed) Swap(ctx context.Context, old, next []byte) error {
	raw, plain, err := s.load(ctx)
	if err != nil {
		return err
	}
	if !bytes.Equal(plain, old) {
		return errSwapped
	}
	value, err := s.sealer.Seal(next, place())
	if err != nil {
		return keybearer.Errorf(keybearer.Internal, "sealing the state: %w", err)
	}
	return s.inner.Swap(ctx, raw, value)
}

// storeError gives errors of a foreign store the kind that says what they mean.
func storeError(doing string, err error) error {
	if err == nil || errors.Is(err, keybearer.Conflict) {
		return err
	}
	kind := keybearer.Unavailable
	if e, ok := errors.AsType[*keybearer.Error](err); ok {
		kind = e.Kind
	}
	return keybearer.Errorf(kind, "%s: %w", doing, err)
}
