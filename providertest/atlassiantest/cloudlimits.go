package atlassiantest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// limitKinds are the values of the switch limited.
func limitKinds() []string {
	return []string{"off", "burst", "per_issue", "tenant", "global", "reset", "silent"}
}

// meter counts what was spent: points by app and hour, requests by site,
// method, pattern and second.
type meter struct {
	hour   time.Time
	points map[string]int
	second time.Time
	bursts map[string]int
}

func newMeter() meter { return meter{points: map[string]int{}, bursts: map[string]int{}} }

// turn forgets the hour and the second that are over.
func (m *meter) turn(now time.Time) {
	if hour := now.UTC().Truncate(time.Hour); !hour.Equal(m.hour) {
		m.hour = hour
		clear(m.points)
	}
	if second := now.Truncate(time.Second); !second.Equal(m.second) {
		m.second = second
		clear(m.bursts)
	}
}

// limit refuses a request whose rate is too high, or returns nil. It counts
// the request for the burst, and for the points what every request costs.
func (s *Server) limit(o operation, v *visit) *providertest.Answer {
	now := s.Now()
	s.meter.turn(now)
	nextHour, nextSecond := s.meter.hour.Add(time.Hour), s.meter.second.Add(time.Second)
	product := "jira"
	if o.product == "confluence" {
		product = "confluence"
	}
	switch s.config.Limited {
	case "burst":
		return s.tooMany(v, product+"-burst-based", 100, nextSecond)
	case "per_issue":
		if o.issue {
			return s.tooMany(v, "jira-per-issue-on-write", 20, now.Add(2*time.Second))
		}
	case "tenant":
		return s.tooMany(v, product+"-quota-tenant-based", 100_000, nextHour)
	case "global":
		return s.tooMany(v, product+"-quota-global-based", 65_000, nextHour)
	case "reset", "silent":
		answer := s.tooMany(v, "", 0, nextHour)
		for _, name := range []string{"Retry-After", "RateLimit-Reason", "X-RateLimit-Limit", "X-RateLimit-Remaining"} {
			delete(answer.Header, http.CanonicalHeaderKey(name))
		}
		if s.config.Limited == "silent" {
			delete(answer.Header, http.CanonicalHeaderKey("X-RateLimit-Reset"))
		}
		return answer
	}
	if s.config.Burst > 0 && v.site != nil {
		key := v.site.ID + " " + o.method + " " + o.path
		if s.meter.bursts[key]++; s.meter.bursts[key] > s.config.Burst {
			return s.tooMany(v, product+"-burst-based", s.config.Burst, nextSecond)
		}
	}
	if s.config.Points > 0 && v.who.app != "" && s.meter.points[v.who.app] >= s.config.Points {
		return s.tooMany(v, product+"-quota-global-based", s.config.Points, nextHour)
	}
	return nil
}

// tooMany is 429 with everything that says for how long and why.
func (s *Server) tooMany(v *visit, reason string, most int, until time.Time) *providertest.Answer {
	v.Record.Error, v.Record.Reason = "rate_limited", reason
	wait := max(1, int((until.Sub(s.Now())+time.Second-1)/time.Second))
	answer := providertest.JSON(http.StatusTooManyRequests, map[string]any{"code": http.StatusTooManyRequests, "message": "Rate limit exceeded"})
	return answer.With("Retry-After", strconv.Itoa(wait)).With("RateLimit-Reason", reason).
		With("X-RateLimit-Limit", strconv.Itoa(most)).With("X-RateLimit-Remaining", "0").
		With("X-RateLimit-Reset", until.UTC().Format(time.RFC3339))
}

// spend takes the points of an answer from the app's and says what is left: 1
// for the request, and 1 for each object that was read.
func (s *Server) spend(v *visit, answer *providertest.Answer) *providertest.Answer {
	if s.config.Points == 0 || v.who.app == "" {
		return answer
	}
	cost := 1
	if v.Request.Method == http.MethodGet {
		cost += objects(answer.Body)
	}
	s.meter.points[v.who.app] += cost
	left := max(0, s.config.Points-s.meter.points[v.who.app])
	answer.With("X-RateLimit-Limit", strconv.Itoa(s.config.Points)).With("X-RateLimit-Remaining", strconv.Itoa(left)).
		With("X-RateLimit-Reset", s.meter.hour.Add(time.Hour).Format(time.RFC3339))
	if left*5 < s.config.Points {
		answer.With("X-RateLimit-NearLimit", "true")
	}
	return answer
}

// objects counts what an answer shows: the entries of its list, or itself.
func objects(body []byte) int {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil {
		return len(list)
	}
	var page map[string]json.RawMessage
	if json.Unmarshal(body, &page) != nil {
		return 0
	}
	for _, name := range []string{"issues", "values", "results", "records", "comments"} {
		if json.Unmarshal(page[name], &list) == nil && page[name] != nil {
			return len(list)
		}
	}
	return 1
}
