package providertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// maxRecords bounds the history; see [History.Dropped].
const maxRecords = 20_000

// History is what a server was asked and what it made of it. It is the judge
// in tests: a client that says "I refreshed once" is believed when
// [History.Rotations] says one. It is safe for concurrent use.
type History struct {
	mu      sync.Mutex
	records []Record
	dropped int
	cleared int           // how often
	changed chan struct{} // closed and replaced at every change
}

func newHistory() *History { return &History{changed: make(chan struct{})} }

// All returns every record, oldest first.
func (h *History) All() []Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.records)
}

// At returns the records of one endpoint, oldest first.
func (h *History) At(at Endpoint) []Record {
	return h.filter(func(r Record) bool { return r.Endpoint == at })
}

// Last returns the newest record of an endpoint.
func (h *History) Last(at Endpoint) (Record, bool) {
	rs := h.At(at)
	if len(rs) == 0 {
		return Record{}, false
	}
	return rs[len(rs)-1], true
}

// Calls counts the requests that arrived at an endpoint, answered or not.
func (h *History) Calls(at Endpoint) int { return len(h.At(at)) }

// Rotations counts how often a refresh token of this family was replaced; with
// an empty family, of all of them. A rotation counts even if its answer was
// lost on the way.
func (h *History) Rotations(family string) int {
	return len(h.filter(func(r Record) bool {
		return r.Outcome == Rotated && (family == "" || r.Family == family)
	}))
}

// Refreshes counts refresh requests that the server granted: rotated, kept and
// within the leeway.
func (h *History) Refreshes() int {
	return len(h.filter(func(r Record) bool {
		return r.Outcome == Rotated || r.Outcome == Kept || r.Outcome == Leeway
	}))
}

// Reuses counts rotated refresh tokens that were presented again, in the
// leeway or after it. A careful client has none.
func (h *History) Reuses() int {
	return len(h.filter(func(r Record) bool { return r.Outcome == Reused || r.Outcome == Leeway }))
}

// Redeemed counts codes that were spent for tokens.
func (h *History) Redeemed() int {
	return len(h.filter(func(r Record) bool { return r.Outcome == Redeemed }))
}

// CodeReuses counts codes that came after they had been spent.
func (h *History) CodeReuses() int {
	return len(h.filter(func(r Record) bool { return r.Outcome == CodeReused }))
}

// Families lists the refresh families in the order in which they were born.
func (h *History) Families() []string {
	var ids []string
	for _, r := range h.filter(func(r Record) bool { return r.Outcome == Redeemed && r.Family != "" }) {
		ids = append(ids, r.Family)
	}
	return ids
}

// Dropped says how many of the oldest records were forgotten because the
// history was full (20,000 records).
func (h *History) Dropped() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dropped
}

// Clear forgets all records. Numbers start at 1 again.
func (h *History) Clear() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.records, h.dropped = nil, 0
	h.cleared++
	h.notify()
}

// Await returns when enough says so about the records, looking again at every
// change, or when ctx ends. Tests wait with it instead of sleeping.
func (h *History) Await(ctx context.Context, enough func([]Record) bool) error {
	for {
		h.mu.Lock()
		records, changed := slices.Clone(h.records), h.changed
		h.mu.Unlock()
		if enough(records) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("waiting for the request history (%d records): %w", len(records), ctx.Err())
		}
	}
}

// AwaitCalls returns when at least n requests have arrived at an endpoint.
func (h *History) AwaitCalls(ctx context.Context, at Endpoint, n int) error {
	return h.Await(ctx, func(rs []Record) bool {
		calls := 0
		for _, r := range rs {
			if r.Endpoint == at {
				calls++
			}
		}
		return calls >= n
	})
}

func (h *History) filter(keep func(Record) bool) []Record {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Record
	for _, r := range h.records {
		if keep(r) {
			out = append(out, r)
		}
	}
	return out
}

// open enters a request that has just arrived, gives it its number and returns
// the function that writes down how it ended. That is called before the answer
// goes out, so that a client which has its answer finds it in the history.
func (h *History) open(r *Record) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.records) == maxRecords {
		h.records = slices.Delete(h.records, 0, maxRecords/10)
		h.dropped += maxRecords / 10
	}
	r.N = h.dropped + len(h.records) + 1
	h.records = append(h.records, *r)
	h.notify()
	cleared := h.cleared
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		i := r.N - 1 - h.dropped
		if cleared != h.cleared || i < 0 {
			return // forgotten meanwhile
		}
		h.records[i] = *r
		h.notify()
	}
}

func (h *History) notify() {
	close(h.changed)
	h.changed = make(chan struct{})
}
