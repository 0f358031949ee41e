package atlassian_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/secret"
)

// lasting is a client whose token lives for a year, so that nobody is asked.
func lasting(b *testing.B) *atlassian.Client {
	b.Helper()
	c, err := atlassian.New(atlassian.Config{
		Product: atlassian.Jira, CloudID: teahouseID, ClientID: "an-app", ClientSecret: secret.New("not-a-real-secret"), CallbackURL: appCallback,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close(b.Context()) })
	stored, err := json.Marshal(map[string]any{
		"token": "an-access-token", "refresh_token": "a-refresh-token", "scopes": "read:jira-work offline_access",
		"valid_until": time.Now().Add(365 * 24 * time.Hour).Unix(),
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Import(b.Context(), stored); err != nil {
		b.Fatal(err)
	}
	return c
}

// A token that lives: under a microsecond, without an allocation.
func BenchmarkToken(b *testing.B) {
	c := lasting(b)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Token(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTokenByManyAtOnce(b *testing.B) {
	c := lasting(b)
	ctx := b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Token(ctx); err != nil {
				b.Error(err)
			}
		}
	})
}
