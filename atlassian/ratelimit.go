package atlassian

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Reach says for what a rate is limited, and so what has to wait.
type Reach string

// The reaches, from the widest.
const (
	ReachApp      Reach = "app"      // all sites that the app is used at share the points of an hour
	ReachSite     Reach = "site"     // one site's points of an hour
	ReachEndpoint Reach = "endpoint" // one method and path at one site, for a second
	ReachIssue    Reach = "issue"    // writes to one issue, for seconds
	ReachUnknown  Reach = ""         // not said: hold back at least this site
)

// The bounds of waiting. Points come back on the hour, so nothing takes longer than that.
const (
	minWait    = time.Second
	unsaidWait = 10 * time.Second // for a refusal without any hint
	maxWait    = time.Hour
	maxReason  = 80 // letters
)

// RateLimit is what an answer says about rates.
// https://developer.atlassian.com/cloud/jira/platform/rate-limiting/
type RateLimit struct {
	// Limited reports that the request was refused for this reason, and has to be made again.
	Limited bool
	// Near reports that less than a fifth of the points is left.
	Near bool
	// Reach says what has to wait, where Limited.
	Reach Reach
	// Reason is the RateLimit-Reason as Atlassian wrote it, such as jira-burst-based, fit to be shown.
	Reason string
	// Limit and Remaining are the points, or the requests, of the present period; -1 if not said.
	Limit, Remaining int
	// Until is when to try again, by the clock that was given: at least a second, at most an hour away.
	// Zero where not Limited.
	Until time.Time
}

// ReadRateLimit reads the status and headers of an answer that came now: Retry-After in both forms,
// X-RateLimit-Limit, -Remaining, -Reset (ISO 8601) and -NearLimit, RateLimit-Reason, and
// X-RateLimit-Interval-Seconds of Data Center. What it cannot read it ignores. Times of the server's
// clock are measured against its Date, so that a wrong clock on either side does no harm.
//
// An answer is Limited if it is 429, or 503 with Retry-After.
func ReadRateLimit(status int, h http.Header, now time.Time) RateLimit {
	r := RateLimit{
		Near:      strings.EqualFold(strings.TrimSpace(h.Get("X-RateLimit-NearLimit")), "true"),
		Reason:    printable(h.Get("RateLimit-Reason"), maxReason),
		Limit:     count(h.Get("X-RateLimit-Limit")),
		Remaining: count(h.Get("X-RateLimit-Remaining")),
	}
	r.Limited = status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && h.Get("Retry-After") != ""
	if r.Limited {
		r.Reach = reach(r.Reason)
		r.Until = now.Add(min(max(r.wait(h, now), minWait), maxWait))
	}
	return r
}

// reach knows jira-quota-global-based and its like. The product before it varies.
func reach(reason string) Reach {
	switch reason = strings.ToLower(reason); {
	case strings.HasSuffix(reason, "quota-global-based"):
		return ReachApp
	case strings.HasSuffix(reason, "quota-tenant-based"):
		return ReachSite
	case strings.HasSuffix(reason, "burst-based"):
		return ReachEndpoint
	case strings.HasSuffix(reason, "per-issue-on-write"):
		return ReachIssue
	}
	return ReachUnknown
}

// wait asks the headers in turn, and where they are silent the kind of limit: bursts are counted by the
// second, writes to an issue by two, points by the hour.
func (r RateLimit) wait(h http.Header, now time.Time) time.Duration {
	servers := now
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		servers = date
	}
	retry := strings.TrimSpace(h.Get("Retry-After"))
	if seconds := count(retry); seconds >= 0 {
		return time.Duration(min(seconds, int(maxWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(retry); err == nil {
		return at.Sub(servers)
	}
	if at, ok := instant(h.Get("X-RateLimit-Reset")); ok && at.After(servers) {
		return at.Sub(servers)
	}
	if seconds := count(h.Get("X-RateLimit-Interval-Seconds")); seconds > 0 {
		return time.Duration(min(seconds, int(maxWait/time.Second))) * time.Second
	}
	switch r.Reach {
	case ReachApp, ReachSite:
		return servers.Truncate(time.Hour).Add(time.Hour).Sub(servers)
	case ReachEndpoint:
		return time.Second
	case ReachIssue:
		return 2 * time.Second
	}
	return unsaidWait
}

// instant reads ISO 8601 as Atlassian writes it, with or without seconds.
func instant(text string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05.999Z0700"} {
		if at, err := time.Parse(layout, strings.TrimSpace(text)); err == nil {
			return at, true
		}
	}
	return time.Time{}, false
}

// count reads a number that is not negative, and gives -1 for anything else.
func count(text string) int {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return int(n)
}

// Advice says what to do, or "" where there is nothing to be done.
func (r RateLimit) Advice() string {
	if !r.Limited {
		if r.Near {
			return "Less than a fifth of the rate is left: put off what is not urgent"
		}
		return ""
	}
	until := r.Until.UTC().Format("15:04:05 UTC")
	reason := ""
	if r.Reason != "" {
		reason = fmt.Sprintf(" (%s)", r.Reason)
	}
	switch r.Reach {
	case ReachApp:
		return fmt.Sprintf("The app has used its points of this hour, which all sites share%s: send nothing for this app, to any site, until %s", reason, until)
	case ReachSite:
		return fmt.Sprintf("The site's points of this hour are used%s: send nothing to this site until %s; other sites are not touched", reason, until)
	case ReachEndpoint:
		return fmt.Sprintf("Too many requests at once to this endpoint%s: repeat this one after %s; other endpoints are not touched", reason, until)
	case ReachIssue:
		return fmt.Sprintf("Too many changes to one issue%s: go on with it after %s, or with other issues now", reason, until)
	}
	return fmt.Sprintf("Too many requests%s: try again after %s", reason, until)
}
