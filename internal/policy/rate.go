package policy

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"
)

// limit is a rule's rate. It is comparable: buckets are kept by it, so that one that says the same in a
// file that was read again goes on counting.
type limit struct {
	label string // of the rule
	count int    // per unit
	unit  time.Duration
	burst int
}

// readRate reads 60/m; the answer goes on after it.
func readRate(written string, burst int) (*limit, string) {
	const form = "is not a rate; write how many in which time: 10/s, 60/m or 500/h"
	number, unit, found := strings.Cut(written, "/")
	count, err := strconv.Atoi(number)
	if !found || err != nil || number[0] == '+' || number[0] == '-' || len(number) > 1 && number[0] == '0' {
		return nil, form
	}
	units := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}
	switch {
	case units[unit] == 0:
		return nil, form
	case count == 0:
		return nil, "lets nothing through; write verdict: refuse"
	case count > 999_999:
		return nil, "is out of range; allowed: 1 to 999999"
	}
	if burst == 0 {
		burst = count
	}
	return &limit{count: count, unit: units[unit], burst: burst}, ""
}

func (l *limit) bucket() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(l.count)/l.unit.Seconds()), l.burst)
}

// String says it for people: 60 requests a minute.
func (l *limit) String() string {
	noun := " requests "
	if l.count == 1 {
		noun = " request "
	}
	return strconv.Itoa(l.count) + noun + map[time.Duration]string{time.Second: "a second", time.Minute: "a minute", time.Hour: "an hour"}[l.unit]
}
