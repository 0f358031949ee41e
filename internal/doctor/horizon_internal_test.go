package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func TestHorizon(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	ago := func(days int) time.Time { return now.Add(-time.Duration(days) * day) }
	idle := "2160h0m0s"
	for name, c := range map[string]struct {
		provider string // atlassian, if empty
		change   func(*api.Connection)
		check    string
		want     Verdict // "": no such finding
		says     string
	}{
		"fresh":                 {check: "expiry.family", want: OK, says: "on 2027-11-22"},
		"day 329":               {change: func(c *api.Connection) { c.ConsentedAt = ago(329) }, check: "expiry.family", want: OK},
		"day 330":               {change: func(c *api.Connection) { c.ConsentedAt = ago(330) }, check: "expiry.family", want: Warning, says: "35 days left"},
		"day 366":               {change: func(c *api.Connection) { c.ConsentedAt = ago(366) }, check: "expiry.family", want: Warning, says: "that time is over"},
		"consent not known":     {change: func(c *api.Connection) { c.ConsentedAt = time.Time{} }, check: "expiry.family", want: Skipped, says: "not before 2026-11-22"},
		"no family there":       {provider: "atlassian-data-center", check: "expiry.family"},
		"in use":                {change: func(c *api.Connection) { c.UpdatedAt = ago(60) }, check: "expiry.idle", want: OK, says: "on 2026-12-22"},
		"idle":                  {change: func(c *api.Connection) { c.UpdatedAt = ago(61) }, check: "expiry.idle", want: Warning, says: "should have presented it by now"},
		"too idle":              {change: func(c *api.Connection) { c.UpdatedAt = ago(91) }, check: "expiry.idle", want: Problem, says: "has ended unused"},
		"no refresh token":      {change: func(c *api.Connection) { c.Scopes = nil }, check: "expiry.access", want: Warning, says: "the connection ends with it"},
		"no refresh, no idling": {change: func(c *api.Connection) { c.Scopes = nil }, check: "expiry.idle"},
		"always refreshed":      {provider: "atlassian-data-center", change: func(c *api.Connection) { c.Scopes = nil }, check: "expiry.access", want: OK, says: "the engine refreshes it"},
		"service account":       {change: func(c *api.Connection) { c.Kind = keybearer.ServiceAccount.String() }, check: "expiry.access", want: OK, says: "credential"},
		"token for months":      {change: given(now.Add(31 * day)), check: "expiry.token", want: OK, says: "2026-12-23"},
		"token for weeks":       {change: given(now.Add(29 * day)), check: "expiry.token", want: Warning},
		"token that has ended":  {change: given(now.Add(-day)), check: "expiry.token", want: Problem, says: "2026-11-21"},
		"token of unknown end":  {change: given(time.Time{}), check: "expiry.token", want: Skipped},
	} {
		t.Run(name, func(t *testing.T) {
			if c.provider == "" {
				c.provider = "atlassian"
			}
			connection := api.Connection{
				Kind: keybearer.Consented.String(), Scopes: []string{"offline_access", "read:me"}, CreatedAt: now, UpdatedAt: now, ConsentedAt: now, ExpiresAt: now.Add(time.Hour),
			}
			if c.change != nil {
				c.change(&connection)
			}
			p := api.Provider{ID: "p", ProviderID: c.provider}
			p.OAuth2.Refresh = &api.RefreshPolicy{IdleExpiry: &idle}
			var r Report
			(&chart{Doctor: Doctor{Now: func() time.Time { return now }}, r: &r, p: &p, connection: &connection}).checkHorizon()
			wantFinding(t, r, c.check, c.want, c.says)
		})
	}
}

func given(end time.Time) func(*api.Connection) {
	return func(c *api.Connection) { c.Kind, c.ExpiresAt = keybearer.PersonalAccessToken.String(), end }
}

// wantFinding wants one finding of a check, or none where the verdict is empty.
func wantFinding(t *testing.T, r Report, check string, want Verdict, says string) {
	t.Helper()
	var found []Finding
	for _, f := range r.Findings {
		if f.Check == check {
			found = append(found, f)
		}
	}
	switch {
	case want == "" && len(found) == 0:
	case len(found) != 1 || found[0].Verdict != want || !strings.Contains(found[0].Saw, says):
		t.Errorf("got %+v, want %q of %s with a word about %q", r.Findings, want, check, says)
	case (want == Warning || want == Problem) && found[0].Do == "":
		t.Errorf("got %+v, want to be told what to do", found[0])
	}
}
