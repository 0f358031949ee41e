package policy_test

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer/internal/policy"
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func get(path string) policy.Request {
	return policy.Request{Provider: "github", Matched: true, Method: "GET", Host: "api.github.com", Path: path}
}

func TestRateOfARule(t *testing.T) {
	p := parse(t, "version: 1\nrules:\n  - {name: slow, rate: 60/m, burst: 3, paths: [/slow]}\n  - {rate: 1/h, paths: [/rare]}\n  - {verdict: allow}\n")
	c := newClock()
	l := policy.NewLimiter(c.Now)
	take := func(run, path string) policy.Decision { return l.Take(run, p.Decide(get(path))) }
	for i := range 3 {
		if d := take("a", "/slow"); d.Verdict != policy.Allow || d.Rule != "slow" {
			t.Fatalf("request %d of a burst of 3: %+v", i+1, d)
		}
	}
	d := take("a", "/slow")
	want := "the policy refuses this for now: rule `slow` of policy.yaml line 3 lets each run send 60 requests a minute; try again in 1s"
	if d.Verdict != policy.Refuse || d.RetryAfter != time.Second || d.Reason != want || d.Rule != "slow" {
		t.Errorf("the fourth: %+v, want it refused: %s", d, want)
	}
	if d := take("b", "/slow"); d.Verdict != policy.Allow {
		t.Errorf("another run: %+v, want a rate of its own", d)
	}
	if d := take("a", "/fast"); d.Verdict != policy.Allow || d.RetryAfter != 0 {
		t.Errorf("another rule: %+v, want no rate", d)
	}
	c.Advance(d.RetryAfter)
	if d := take("a", "/slow"); d.Verdict != policy.Allow {
		t.Errorf("after Retry-After: %+v, want it allowed: refusals are not counted", d)
	}
	take("a", "/rare")
	c.Advance(20 * time.Minute)
	if d := take("a", "/rare"); d.RetryAfter != 40*time.Minute || !strings.Contains(d.Reason, "rule 2 of policy.yaml line 4 lets each run send 1 request an hour; try again in 40m0s") {
		t.Errorf("1/h after 20 minutes: %+v, want 40 more", d)
	}
}

func TestWithoutBurstTheWholeRateMayComeAtOnce(t *testing.T) {
	p := parse(t, rule("rate: 5/m"))
	c := newClock()
	l := policy.NewLimiter(c.Now)
	allowed := 0
	for range 100 {
		if l.Take("a", p.Decide(get("/"))).Verdict == policy.Allow {
			allowed++
		}
	}
	if allowed != 5 {
		t.Errorf("%d allowed at once, want 5", allowed)
	}
	c.Advance(time.Minute)
	for range 100 {
		if l.Take("a", p.Decide(get("/"))).Verdict == policy.Allow {
			allowed++
		}
	}
	if allowed != 10 {
		t.Errorf("%d allowed a minute later, want 10", allowed)
	}
}

func TestAFileReadAgainGoesOnCounting(t *testing.T) {
	l := policy.NewLimiter(newClock().Now)
	for i, text := range []string{rule("name: r, rate: 1/m"), rule("name: r, rate: 1/m, methods: [GET]"), rule("name: r, rate: 2/m")} {
		d := l.Take("a", parse(t, text).Decide(get("/")))
		if want := i != 1; (d.Verdict == policy.Allow) != want {
			t.Errorf("policy %d: %+v, want allowed: %v", i, d, want)
		}
	}
}

func TestLimiterForgetsAndIsBounded(t *testing.T) {
	p := parse(t, rule("rate: 60/m"))
	c := newClock()
	l := policy.NewLimiter(c.Now)
	take := func(i int) policy.Decision { return l.Take("run"+strconv.Itoa(i), p.Decide(get("/"))) }
	for i := range policy.MaxBuckets {
		take(i)
	}
	if d := take(-1); d.Verdict != policy.Refuse || d.RetryAfter == 0 || l.Buckets() != policy.MaxBuckets {
		t.Errorf("with %d in use: %+v, want it refused", l.Buckets(), d)
	}
	if d := take(0); d.Verdict != policy.Allow {
		t.Errorf("one that is known: %+v, want it counted", d)
	}
	c.Advance(2 * time.Second)
	if d := take(-1); d.Verdict != policy.Allow || l.Buckets() != 1 {
		t.Errorf("after they are full again: %+v, with %d remembered; want it allowed and 1", d, l.Buckets())
	}
}

func TestLimiterAmongMany(t *testing.T) {
	p := parse(t, rule("rate: 100/h"))
	l := policy.NewLimiter(newClock().Now)
	var wg sync.WaitGroup
	counts := make([]int, 8)
	for i := range counts {
		wg.Go(func() {
			for range 50 {
				if l.Take("a", p.Decide(get("/"))).Verdict == policy.Allow {
					counts[i]++
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != 100 {
		t.Errorf("%d allowed, want 100", total)
	}
}
