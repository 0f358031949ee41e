package storetest

import (
	"fmt"
	"testing"

	"github.com/keybearer/keybearer"
)

func registeredClient(n int) keybearer.RegisteredClient {
	return keybearer.RegisteredClient{
		Project: project, ID: fmt.Sprintf("mcp_%02d", n), Name: "an “agent”", RedirectURIs: []string{"http://127.0.0.1/callback", "https://a.example/cb"}, CreatedAt: at(0),
	}
}

func clientGrant(n int) keybearer.ClientGrant {
	return keybearer.ClientGrant{
		Project: project, ID: fmt.Sprintf("cg_%02d", n), Client: "mcp_01", User: "alice", Resource: "https://keys.example.com/mcp", RedirectURI: "https://a.example/cb", Challenge: "c",
		CodeHash: []byte{1, 0, 255}, CodeExpires: at(1), AccessHash: []byte{2}, AccessExpires: at(2), RefreshHash: []byte{3}, PreviousHash: []byte{4}, RotatedAt: at(3),
		CreatedAt: at(0), ExpiresAt: at(4),
	}
}

func keptGrant(g keybearer.ClientGrant, version int64) keybearer.ClientGrant {
	g.CodeExpires, g.AccessExpires, g.RotatedAt = kept(g.CodeExpires), kept(g.AccessExpires), kept(g.RotatedAt)
	g.CreatedAt, g.ExpiresAt, g.Version = kept(g.CreatedAt), kept(g.ExpiresAt), version
	return g
}

func clientExam() []question {
	return []question{
		{"RoundTrip", clientRoundTrip},
		{"Grants", clientGrants},
		{"GrantRace", clientGrantRace},
	}
}

func clientRoundTrip(t *testing.T, s Stores) {
	ctx := t.Context()
	first := registeredClient(1)
	ok(t, s.Clients.PutRegisteredClient(ctx, first))
	first.RedirectURIs[0] = "X"
	wantKind(t, "registering twice", s.Clients.PutRegisteredClient(ctx, registeredClient(1)), keybearer.Conflict)
	for range 2 {
		got := must[keybearer.RegisteredClient](t)(s.Clients.RegisteredClient(ctx, project, "mcp_01"))
		want := registeredClient(1)
		want.CreatedAt = kept(want.CreatedAt)
		same(t, "RegisteredClient", got, want)
		got.RedirectURIs[0] = "X"
	}
	for _, at := range []struct {
		project keybearer.ProjectID
		id      string
	}{{project, "mcp_02"}, {"other", "mcp_01"}} {
		_, err := s.Clients.RegisteredClient(ctx, at.project, at.id)
		wantKind(t, "a client that is not there", err, keybearer.NotFound)
	}
}

func clientGrants(t *testing.T, s Stores) {
	ctx := t.Context()
	put := must[keybearer.ClientGrant](t)
	_, err := s.ClientGrants.PutClientGrant(ctx, clientGrant(1), 1)
	wantKind(t, "writing over a row that is not there", err, keybearer.Conflict)
	first := clientGrant(1)
	stored := put(s.ClientGrants.PutClientGrant(ctx, first, 0))
	same(t, "PutClientGrant", stored, keptGrant(clientGrant(1), 1))
	first.CodeHash[0], stored.CodeHash[0] = 'X', 'X'
	same(t, "ClientGrant", put(s.ClientGrants.ClientGrant(ctx, project, "cg_01")), keptGrant(clientGrant(1), 1))
	_, err = s.ClientGrants.PutClientGrant(ctx, clientGrant(1), 0)
	wantKind(t, "creating twice", err, keybearer.Conflict)
	changed := keybearer.ClientGrant{Project: project, ID: "cg_01", Client: "mcp_02", User: "bob", RefreshHash: []byte{9}, CreatedAt: at(5), ExpiresAt: at(6)}
	want := changed
	want.CreatedAt, want.ExpiresAt, want.Version = kept(at(5)), kept(at(6)), 2
	same(t, "the second version", put(s.ClientGrants.PutClientGrant(ctx, changed, 1)), want)
	same(t, "the second version, read", put(s.ClientGrants.ClientGrant(ctx, project, "cg_01")), want)
	_, err = s.ClientGrants.PutClientGrant(ctx, changed, 1)
	wantKind(t, "writing over an old version", err, keybearer.Conflict)
	_, err = s.ClientGrants.ClientGrant(ctx, "other", "cg_01")
	wantKind(t, "a grant of another project", err, keybearer.NotFound)
	wantKind(t, "ending a grant of another project", s.ClientGrants.DeleteClientGrant(ctx, "other", "cg_01"), keybearer.NotFound)
	ok(t, s.ClientGrants.DeleteClientGrant(ctx, project, "cg_01"))
	wantKind(t, "ending it twice", s.ClientGrants.DeleteClientGrant(ctx, project, "cg_01"), keybearer.NotFound)
}

// Two who redeem a code, or rotate a token, at once: one of them may.
func clientGrantRace(t *testing.T, s Stores) {
	must[keybearer.ClientGrant](t)(s.ClientGrants.PutClientGrant(t.Context(), clientGrant(1), 0))
	oneWins(t, race(rivals, func(i int) error {
		g := clientGrant(1)
		g.AccessHash = []byte{byte(i)}
		_, err := s.of(i).ClientGrants.PutClientGrant(t.Context(), g, 1)
		return err
	}), keybearer.Conflict)
}
