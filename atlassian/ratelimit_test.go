package atlassian_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/atlassian"
)

func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestRateLimitSaysWhatIsLimitedAndUntilWhen(t *testing.T) {
	now := time.Date(2026, 3, 2, 10, 40, 0, 0, time.UTC)
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		want   atlassian.RateLimit
		advice string // a part of it
	}{
		{"nothing said", 200, nil, atlassian.RateLimit{Limit: -1, Remaining: -1}, ""},
		{
			"all is well", 200, headers("X-RateLimit-Limit", "65000", "X-RateLimit-Remaining", "64000", "Retry-After", "9"),
			atlassian.RateLimit{Limit: 65000, Remaining: 64000},
			"",
		},
		{
			"near the limit", 200, headers("X-RateLimit-NearLimit", "True"),
			atlassian.RateLimit{Near: true, Limit: -1, Remaining: -1},
			"put off",
		},
		{
			"the app's points", 429, headers("Retry-After", "600", "RateLimit-Reason", "jira-quota-global-based", "X-RateLimit-Remaining", "0"),
			atlassian.RateLimit{Limited: true, Reach: atlassian.ReachApp, Reason: "jira-quota-global-based", Limit: -1, Until: in(10 * time.Minute)},
			"any site, until 10:50:00 UTC",
		},
		{
			"a site's points, without a time: until the hour", 429, headers("RateLimit-Reason", "confluence-quota-tenant-based"),
			atlassian.RateLimit{Limited: true, Reach: atlassian.ReachSite, Reason: "confluence-quota-tenant-based", Limit: -1, Remaining: -1, Until: in(20 * time.Minute)},
			"other sites are not touched",
		},
		{
			"a burst", 429, headers("RateLimit-Reason", "jira-burst-based"),
			atlassian.RateLimit{Limited: true, Reach: atlassian.ReachEndpoint, Reason: "jira-burst-based", Limit: -1, Remaining: -1, Until: in(time.Second)},
			"other endpoints are not touched",
		},
		{
			"one issue", 429, headers("RateLimit-Reason", "jira-per-issue-on-write"),
			atlassian.RateLimit{Limited: true, Reach: atlassian.ReachIssue, Reason: "jira-per-issue-on-write", Limit: -1, Remaining: -1, Until: in(2 * time.Second)},
			"with other issues now",
		},
		{
			"only a reset", 429, headers("X-RateLimit-Reset", "2026-03-02T11:00:00Z"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(20 * time.Minute)},
			"after 11:00:00 UTC",
		},
		{
			"a reset without seconds, by a clock an hour ahead", 429, headers("X-RateLimit-Reset", "2026-03-02T12:00Z", "Date", "Mon, 02 Mar 2026 11:40:00 GMT"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(20 * time.Minute)},
			"",
		},
		{
			"a reset that has passed", 429, headers("X-RateLimit-Reset", "2026-03-02T10:00:00Z"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(10 * time.Second)},
			"",
		},
		{
			"Retry-After as a date", 429, headers("Retry-After", "Mon, 02 Mar 2026 10:41:00 GMT"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(time.Minute)},
			"",
		},
		{
			"no hint at all", 429, nil,
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(10 * time.Second)},
			"try again after 10:40:10 UTC",
		},
		{
			"at once", 429, headers("Retry-After", "0"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(time.Second)},
			"",
		},
		{
			"for ever", 429, headers("Retry-After", "999999999"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(time.Hour)},
			"",
		},
		{
			"Data Center", 429, headers("X-RateLimit-Limit", "20", "X-RateLimit-Remaining", "0", "X-RateLimit-FillRate", "2", "X-RateLimit-Interval-Seconds", "5"),
			atlassian.RateLimit{Limited: true, Limit: 20, Until: in(5 * time.Second)},
			"",
		},
		{
			"503 that asks to come back", 503, headers("Retry-After", "30"),
			atlassian.RateLimit{Limited: true, Limit: -1, Remaining: -1, Until: in(30 * time.Second)},
			"",
		},
		{"503", 503, nil, atlassian.RateLimit{Limit: -1, Remaining: -1}, ""},
		{
			"nonsense", 429, headers("Retry-After", "soon", "X-RateLimit-Limit", "-7", "X-RateLimit-Remaining", "1e9", "X-RateLimit-Reset", "1772447000", "RateLimit-Reason", "x\x1b[2J"),
			atlassian.RateLimit{Limited: true, Reason: "x[2J", Limit: -1, Remaining: -1, Until: in(10 * time.Second)},
			"(x[2J)",
		},
	} {
		got := atlassian.ReadRateLimit(c.status, c.header, now)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if advice := got.Advice(); !strings.Contains(advice, c.advice) || (advice == "") != (!got.Limited && !got.Near) {
			t.Errorf("%s: got the advice %q, want %q in it", c.name, advice, c.advice)
		}
	}
}

func FuzzReadRateLimit(f *testing.F) {
	f.Add(429, "10", "2026-03-02T11:00:00Z", "jira-burst-based", "65000", "Mon, 02 Mar 2026 11:40:00 GMT")
	f.Add(503, "Mon, 02 Mar 2026 11:40:00 GMT", "", "\n", "-1", "")
	now := time.Date(2026, 3, 2, 10, 40, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, status int, retry, reset, reason, number, date string) {
		got := atlassian.ReadRateLimit(status, headers("Retry-After", retry, "X-RateLimit-Reset", reset, "RateLimit-Reason", reason,
			"X-RateLimit-Limit", number, "X-RateLimit-Interval-Seconds", number, "Date", date), now)
		if wait := got.Until.Sub(now); got.Limited && (wait < time.Second || wait > time.Hour) || !got.Limited && !got.Until.IsZero() {
			t.Errorf("limited: %v, until %s", got.Limited, got.Until)
		}
		if strings.ContainsAny(got.Advice(), "\n\r\x1b") || got.Limit < -1 {
			t.Errorf("not fit to be shown: %+v", got)
		}
	})
}
