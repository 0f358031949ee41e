package policy

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds what a Limiter remembers.
const maxBuckets = 10_000

// Limiter counts requests against the rates of rules, for each rule and run by itself. It may be used
// concurrently, and outlives the policy: a file that is read again with the same rate goes on counting.
type Limiter struct {
	now     func() time.Time
	mu      sync.Mutex
	buckets map[bucketKey]*rate.Limiter
	swept   time.Time
}

type bucketKey struct {
	limit
	run string
}

// NewLimiter makes one that goes by a clock; nil: [time.Now].
func NewLimiter(now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	return &Limiter{now: now, buckets: map[bucketKey]*rate.Limiter{}}
}

// Take counts a request of a run that was decided, and gives the decision back; or a refusal with
// RetryAfter, which counts for nothing, if the rate of its rule is used up. What is refused, and what has
// no rate, is not counted.
func (l *Limiter) Take(run string, d Decision) Decision {
	if d.limit == nil {
		return d
	}
	now := l.now()
	bucket := l.bucket(bucketKey{*d.limit, run}, now)
	if bucket == nil {
		return d.slower(time.Second, "so many runs are counted that there is no room for another")
	}
	taken := bucket.ReserveN(now, 1)
	wait := taken.DelayFrom(now)
	if wait == 0 {
		return d
	}
	taken.CancelAt(now)
	return d.slower(wait, d.cited+" lets each run send "+d.limit.String())
}

// slower is the refusal, with a wait in whole seconds, as HTTP's Retry-After has it.
func (d Decision) slower(wait time.Duration, why string) Decision {
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return Decision{
		Verdict: Refuse, Rule: d.Rule, RetryAfter: wait,
		Reason: "the policy refuses this for now: " + why + "; try again in " + wait.String(),
	}
}

// bucket finds or makes one; nil if there are too many that are in use.
func (l *Limiter) bucket(key bucketKey, now time.Time) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.buckets[key]; known != nil {
		return known
	}
	if len(l.buckets) >= maxBuckets {
		l.sweep(now)
	}
	if len(l.buckets) >= maxBuckets {
		return nil
	}
	made := key.limit.bucket()
	l.buckets[key] = made
	return made
}

// sweep forgets the buckets that are full again: a new one would be the same. It looks at all of them, and
// so not more than once a second.
func (l *Limiter) sweep(now time.Time) {
	if since := now.Sub(l.swept); since >= 0 && since < time.Second {
		return
	}
	l.swept = now
	for key, bucket := range l.buckets {
		if bucket.TokensAt(now) >= float64(key.burst) {
			delete(l.buckets, key)
		}
	}
}
