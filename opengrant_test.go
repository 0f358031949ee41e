package keybearer_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

func TestGrantOpensForWhoeverHoldsTheSealer(t *testing.T) {
	ring, err := seal.NewKeyring(seal.Key{ID: "k", Secret: secret.New("a-fixture-of-thirty-two-characters")})
	if err != nil {
		t.Fatal(err)
	}
	stores := keybearer.NewMemory()
	h := open(t, change{config: func(c *keybearer.Config) { c.Sealer, c.Connections = ring, stores }})
	h.connect("read")
	c, err := stores.Connection(t.Context(), keybearer.Ref{Project: keybearer.DefaultProject, User: alice, Provider: hooli})
	if err != nil {
		t.Fatal(err)
	}
	g, err := keybearer.OpenGrant(ring, &c)
	if err != nil || !h.works(g.Access) || g.Refresh.IsZero() || g.ClientID != "client" || g.Flow == "" || g.RedirectURI == "" {
		t.Fatalf("got %+v, %v; want a grant that works", g, err)
	}
	moved := c
	moved.User = "bob@example.com"
	if _, err := keybearer.OpenGrant(ring, &moved); !errors.Is(err, keybearer.Internal) {
		t.Errorf("the row of somebody else: got %v", err)
	}
	if moved.Grant, err = keybearer.SealGrant(ring, &moved, g); err != nil {
		t.Fatal(err)
	}
	again, err := keybearer.OpenGrant(ring, &moved)
	if err != nil || !again.Refresh.Equal(g.Refresh) || !again.Access.Equal(g.Access) {
		t.Errorf("sealed anew: got %+v, %v", again, err)
	}
	access, refresh := g.Access.Reveal(), g.Refresh.Reveal()
	if text := fmt.Sprintf("%v %+v %#v", again, again, again); strings.Contains(text, access) || strings.Contains(text, refresh) {
		t.Error("a grant prints what is in it")
	}
	g.Access, g.Refresh, again.Access, again.Refresh = secret.String{}, secret.String{}, secret.String{}, secret.String{}
	if diff := cmp.Diff(g, again, cmpopts.IgnoreUnexported(keybearer.Grant{})); diff != "" {
		t.Errorf("sealed anew (-before +after):\n%s", diff)
	}
}

func TestNewConsentCanBeAskedForThoughThereIsOne(t *testing.T) {
	h := open(t, change{})
	h.connect("read")
	r := keybearer.AuthorizeRequest{ID: hooli, User: alice, Scopes: []string{"read"}}
	if a, err := h.app.Authorize(t.Context(), r); err != nil || a.Status != keybearer.AuthorizationCompleted {
		t.Fatalf("got %s, %v", a.Status, err)
	}
	a, err := h.app.AuthorizeAgain(t.Context(), r)
	if err != nil || a.Status != keybearer.AuthorizationPending || a.URL == "" {
		t.Fatalf("got %s, %v; want a pending one", a.Status, err)
	}
	if _, err := h.app.Token(t.Context(), ref()); err != nil {
		t.Errorf("the connection from before: %v", err)
	}
}

func TestProgramsOwnCallbackIsSentToTheLetter(t *testing.T) {
	const mine = "https://app.example.com/oauth/done?tenant=1"
	h := open(t, change{config: func(c *keybearer.Config) { c.Callback = mine }})
	v := h.broker.Visitor(keybearer.NewBrowserSecret())
	to, err := v.Begin(t.Context(), h.authorize("read").ID)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("redirect_uri") != mine || h.broker.RedirectURITemplate() != mine {
		t.Errorf("got %v (%v), want %s", u, err, mine)
	}
}
