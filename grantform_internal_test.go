package keybearer

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func everyField() grant {
	return grant{
		AccessToken: "access", RefreshToken: "refresh", TokenType: "Bearer", IDToken: "id", UserInfo: json.RawMessage(`{"sub":"1"}`),
		ClientID: "client", TokenEndpoint: "https://hooli.example/token", Elsewhere: []string{"https://a.example/", "https://b.example/"}, Flow: "ac_FLOW",
		RedirectURI: "https://keys.example/callback", Username: "alice@example.com", ClientSecret: "secret",
		ConsentedAt: time.Unix(1795334400, 0).UTC(), Sites: json.RawMessage(`{"sites":[{"id":"1"}]}`),
	}
}

func TestGrantIsReadAsItWasWritten(t *testing.T) {
	for _, want := range []grant{everyField(), {}, {AccessToken: "only"}} {
		got, err := readGrant(want.form())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-written +read:\n%s", diff)
		}
	}
}

func TestFieldsOfLaterVersionsAreSkipped(t *testing.T) {
	g := everyField()
	later := append(g.form(), 200, 3, 'n', 'e', 'w')
	got, err := readGrant(later)
	if diff := cmp.Diff(g, got); err != nil || diff != "" {
		t.Errorf("got %v, -written +read:\n%s", err, diff)
	}
}

func FuzzReadGrant(f *testing.F) {
	g := everyField()
	f.Add(g.form())
	f.Add([]byte{grantVersion, tagAccessToken, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Fuzz(func(t *testing.T, plain []byte) {
		g, err := readGrant(plain)
		if err != nil {
			return
		}
		again, err := readGrant(g.form())
		if err != nil {
			t.Fatalf("what was read cannot be written and read again: %v", err)
		}
		if len(g.UserInfo) == 0 { // nothing and the empty text are one
			g.UserInfo, again.UserInfo = nil, nil
		}
		if diff := cmp.Diff(g.form(), again.form()); diff != "" {
			t.Errorf("-first +second:\n%s", diff)
		}
	})
}
