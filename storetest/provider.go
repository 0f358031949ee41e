package storetest

import (
	"fmt"
	"testing"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

func provider(n int) keybearer.Provider {
	on := true
	return keybearer.Provider{
		Project: project, ID: keybearer.ProviderID(fmt.Sprintf("hooli-%02d", n)), Type: "atlassian", Description: "Hooli “the” best",
		Status: keybearer.ProviderActive, Origin: keybearer.FromAPI, ExternalID: "ext", ClientID: "client",
		ClientSecret: []byte{1, 2, 255},
		Settings: oauth.Definition{
			DisplayName:      "Hooli",
			PKCE:             oauth.PKCE{Enabled: &on},
			Scopes:           oauth.ScopeRules{Always: []string{"offline_access"}},
			AuthorizeRequest: oauth.Request{Endpoint: "https://hooli.example.com/authorize", Params: map[string]string{"audience": "api <&>"}},
			RefreshRequest:   &oauth.Request{Endpoint: "https://hooli.example.com/token"},
		},
		CreatedAt: at(0), UpdatedAt: at(1),
	}
}

func keptProvider(p keybearer.Provider, version int64) keybearer.Provider {
	p.CreatedAt, p.UpdatedAt, p.Version = kept(p.CreatedAt), kept(p.UpdatedAt), version
	p.Definition = oauth.Definition{}
	return p
}

func providerExam() []question {
	return []question{
		{"RoundTrip", providerRoundTrip},
		{"Versions", providerVersions},
		{"NotAliased", providerNotAliased},
		{"SwapRace", providerSwapRace},
		{"Delete", providerDelete},
		{"DeleteRace", providerDeleteRace},
	}
}

func providers(t *testing.T, s Stores, in keybearer.ProjectID) []keybearer.Provider {
	t.Helper()
	return must[[]keybearer.Provider](t)(s.Providers.Providers(t.Context(), in))
}

func providerRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	if got := providers(t, s, project); len(got) != 0 {
		t.Errorf("got %d providers of an empty store, want 0", len(got))
	}
	p := provider(2)
	p.Definition = oauth.Definition{DisplayName: "in force"} // the store does not keep it
	same(t, "PutProvider", must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, p, 0)), keptProvider(p, 1))
	bare := keybearer.Provider{Project: project, ID: "bare"}
	same(t, "PutProvider", must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, bare, 0)), keptProvider(bare, 1))
	other := provider(3)
	other.Project = "other"
	must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, other, 0))
	want := []keybearer.Provider{keptProvider(bare, 1), keptProvider(p, 1)}
	same(t, "Providers, by id", providers(t, s, project), want)
	same(t, "Providers again", providers(t, s, project), want)
	same(t, "Providers of another project", providers(t, s, "other"), []keybearer.Provider{keptProvider(other, 1)})
}

func providerVersions(t *testing.T, s Stores) {
	ctx := t.Context()
	_, err := s.Providers.PutProvider(ctx, provider(1), 1)
	wantKind(t, "writing over a row that is not there", err, keybearer.Conflict)
	must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, provider(1), 0))
	_, err = s.Providers.PutProvider(ctx, provider(1), 0)
	wantKind(t, "creating twice", err, keybearer.Conflict)
	providers(t, s, project)
	p := keybearer.Provider{Project: project, ID: provider(1).ID, Description: "all else is gone", Version: 77}
	same(t, "the second version", must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, p, 1)), keptProvider(p, 2))
	same(t, "Providers", providers(t, s, project), []keybearer.Provider{keptProvider(p, 2)})
	_, err = s.Providers.PutProvider(ctx, p, 1)
	wantKind(t, "writing over an old version", err, keybearer.Conflict)
}

func providerNotAliased(t *testing.T, s Stores) {
	spoil := func(p keybearer.Provider) {
		p.ClientSecret[0] = 'X'
		p.Settings.AuthorizeRequest.Params["audience"] = "spoilt"
		p.Settings.RefreshRequest.Endpoint = "spoilt"
		*p.Settings.PKCE.Enabled = false
		p.Settings.Scopes.Always[0] = "spoilt"
	}
	p := provider(1)
	put := must[keybearer.Provider](t)(s.Providers.PutProvider(t.Context(), p, 0))
	spoil(p)
	spoil(put)
	for range 3 {
		got := providers(t, s, project)
		same(t, "Providers", got, []keybearer.Provider{keptProvider(provider(1), 1)})
		spoil(got[0])
	}
}

func providerSwapRace(t *testing.T, s Stores) {
	for version := range int64(3) {
		oneWins(t, race(rivals, func(i int) error {
			providers(t, s, project)
			p := provider(1)
			p.Description = fmt.Sprint(i)
			_, err := s.of(i).Providers.PutProvider(t.Context(), p, version)
			return err
		}), keybearer.Conflict)
		if got := providers(t, s, project); len(got) != 1 || got[0].Version != version+1 {
			t.Fatalf("got %+v, want one provider of version %d", got, version+1)
		}
	}
}

func providerDelete(t *testing.T, s Stores) {
	ctx := t.Context()
	must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, provider(1), 0))
	must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, provider(2), 0))
	same(t, "Providers", providers(t, s, project), []keybearer.Provider{keptProvider(provider(1), 1), keptProvider(provider(2), 1)})
	wantKind(t, "DeleteProvider in another project", s.Providers.DeleteProvider(ctx, "other", provider(1).ID), keybearer.NotFound)
	ok(t, s.Providers.DeleteProvider(ctx, project, provider(1).ID))
	same(t, "Providers", providers(t, s, project), []keybearer.Provider{keptProvider(provider(2), 1)})
	wantKind(t, "DeleteProvider again", s.Providers.DeleteProvider(ctx, project, provider(1).ID), keybearer.NotFound)
	must[keybearer.Provider](t)(s.Providers.PutProvider(ctx, provider(1), 0))
}

func providerDeleteRace(t *testing.T, s Stores) {
	must[keybearer.Provider](t)(s.Providers.PutProvider(t.Context(), provider(1), 0))
	oneWins(t, race(rivals, func(i int) error {
		return s.of(i).Providers.DeleteProvider(t.Context(), project, provider(1).ID)
	}), keybearer.NotFound)
}
