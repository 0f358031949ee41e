package atlassiantest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// fixedClock stands in the middle of an hour.
func fixedClock() time.Time { return time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC) }

func TestEveryKindOfLimitSaysWhyAndUntilWhen(t *testing.T) {
	c := newClient(t, atlassiantest.Config{Clock: fixedClock})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:jira-work write:jira-work read:page:confluence"}).AccessToken
	for _, limit := range []struct{ value, path, reason, retry, reset string }{
		{"burst", "/rest/api/3/issue/TEA-1", "jira-burst-based", "1", "2026-03-02T10:30:01Z"},
		{"per_issue", "/rest/api/3/issue/TEA-1", "jira-per-issue-on-write", "2", "2026-03-02T10:30:02Z"},
		{"tenant", "/rest/api/3/issue/TEA-1", "jira-quota-tenant-based", "1800", "2026-03-02T11:00:00Z"},
		{"global", "/wiki/api/v2/pages/98310", "confluence-quota-global-based", "1800", "2026-03-02T11:00:00Z"},
		{"reset", "/rest/api/3/issue/TEA-1", "", "", "2026-03-02T11:00:00Z"},
		{"silent", "/rest/api/3/issue/TEA-1", "", "", ""},
	} {
		if err := c.server.Set("limited", limit.value); err != nil {
			t.Fatal(err)
		}
		r := c.call("PUT", c.gateway(limit.path), bearer, `{}`)
		h := r.header
		if r.status != http.StatusTooManyRequests || h.Get("RateLimit-Reason") != limit.reason || h.Get("Retry-After") != limit.retry || h.Get("X-RateLimit-Reset") != limit.reset {
			t.Errorf("%s: got %d with %v", limit.value, r.status, h)
		}
		if (h.Get("X-RateLimit-Limit") == "") != (limit.reason == "") || (h.Get("X-RateLimit-Remaining") == "") != (limit.reason == "") {
			t.Errorf("%s: got the limit %q and %q left", limit.value, h.Get("X-RateLimit-Limit"), h.Get("X-RateLimit-Remaining"))
		}
	}
	_ = c.server.Set("limited", "per_issue")
	if r := c.call("GET", c.gateway("/rest/api/3/issue/TEA-1"), bearer, ""); r.status != http.StatusOK {
		t.Errorf("reading under a limit of writes: got %d, want 200", r.status)
	}
}

func TestPointsOfAnHourRunOutAndComeBack(t *testing.T) {
	c := newClient(t, atlassiantest.Config{Clock: fixedClock, Points: 10})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:jira-work"}).AccessToken
	read := func() reply { return c.call("GET", c.gateway("/rest/api/3/issue/TEA-1"), bearer, "") }
	for _, left := range []struct{ remaining, near string }{{"8", ""}, {"6", ""}, {"4", ""}, {"2", ""}, {"0", "true"}} {
		if r := read(); r.status != http.StatusOK || r.header.Get("X-RateLimit-Remaining") != left.remaining || r.header.Get("X-RateLimit-NearLimit") != left.near {
			t.Errorf("got %d, %s left, near %q; want %+v", r.status, r.header.Get("X-RateLimit-Remaining"), r.header.Get("X-RateLimit-NearLimit"), left)
		}
	}
	if r := read(); r.status != http.StatusTooManyRequests || r.header.Get("RateLimit-Reason") != "jira-quota-global-based" {
		t.Errorf("beyond: got %d with %v", r.status, r.header)
	}
	if r := c.call("GET", c.server.URL+"/site/sandbox-teahouse/rest/api/3/issue/TEA-1", basic("alice@example.com", c.apiToken("alice")), ""); r.status != http.StatusOK {
		t.Errorf("an API token, which spends no points: got %d", r.status)
	}
	c.server.Advance(30 * time.Minute)
	if r := read(); r.status != http.StatusOK {
		t.Errorf("on the hour: got %d, want 200", r.status)
	}
}

func TestBurstIsForOneEndpointOfOneSecond(t *testing.T) {
	c := newClient(t, atlassiantest.Config{Clock: fixedClock, Burst: 2})
	bearer := "Bearer " + c.login(map[string]string{"scope": "read:jira-work"}).AccessToken
	get := func(path string) int { return c.call("GET", c.gateway(path), bearer, "").status }
	got := []int{get("/rest/api/3/field"), get("/rest/api/3/field"), get("/rest/api/3/field"), get("/rest/api/3/project/search")}
	c.server.Advance(time.Second)
	got = append(got, get("/rest/api/3/field"))
	for i, want := range []int{200, 200, 429, 200, 200} {
		if got[i] != want {
			t.Errorf("got %v, want the third refused alone", got)
			break
		}
	}
}
