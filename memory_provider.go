package keybearer

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
)

// memoryProvider keeps the settings as JSON, as a database does: a definition has maps and pointers
// that must not be shared with the caller.
type memoryProvider struct {
	Provider
	settings []byte
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
