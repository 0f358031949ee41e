package providertest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Endpoint names a place where requests arrive and where faults can be set.
type Endpoint string

// The endpoints of both servers. Callback is the redirect back to the client:
// no request arrives there, but what was sent is recorded and can be bent.
const (
	Authorize  Endpoint = "authorize"
	Consent    Endpoint = "consent" // the forms of the login and consent pages
	Callback   Endpoint = "callback"
	Token      Endpoint = "token"
	Userinfo   Endpoint = "userinfo" // Atlassian's /me as well
	Introspect Endpoint = "introspect"
	Revoke     Endpoint = "revoke"
	Discovery  Endpoint = "discovery"
	Sites      Endpoint = "sites" // Atlassian's accessible-resources
	API        Endpoint = "api"   // the product APIs behind Atlassian's gateway
)

// Outcome says how a request ended.
type Outcome string

// Outcomes of records. The token endpoint uses the second group as well.
const (
	Pending  Outcome = "pending"  // arrived, not answered yet
	Served   Outcome = "served"   // answered as asked
	Refused  Outcome = "refused"  // answered with an error of the server's own
	Faulted  Outcome = "faulted"  // a fault answered before any work was done
	Asked    Outcome = "asked"    // a page was shown to a person
	Approved Outcome = "approved" // consent was given, a code was issued
	Declined Outcome = "declined" // consent was declined

	Redeemed   Outcome = "redeemed"    // a code was spent for tokens
	CodeReused Outcome = "code_reused" // a spent code came again
	Rotated    Outcome = "rotated"     // a refresh token was replaced
	Kept       Outcome = "kept"        // a refresh token was used, rotation is off
	Leeway     Outcome = "leeway"      // a rotated refresh token came again, in time
	Reused     Outcome = "reused"      // a rotated refresh token came again: family killed
	DeadGrant  Outcome = "dead"        // a refresh token that cannot work any more
)

// Record is one request in the history. Secrets in Params (client secret,
// code, verifier, tokens, passwords, state) are replaced by [Hash] of them.
type Record struct {
	N           int                 `json:"n"` // counts from 1
	Time        time.Time           `json:"time"`
	Endpoint    Endpoint            `json:"endpoint"`
	Method      string              `json:"method,omitempty"`
	Path        string              `json:"path,omitempty"`
	ContentType string              `json:"content_type,omitempty"`
	Accept      string              `json:"accept,omitempty"`
	UserAgent   string              `json:"user_agent,omitempty"`
	Params      map[string][]string `json:"params,omitempty"`
	// QueryParams are those of a POST that stood in its URL.
	QueryParams map[string][]string `json:"query_params,omitempty"`

	Client string `json:"client,omitempty"` // client id
	Auth   string `json:"auth,omitempty"`   // none, basic, post, both, bearer
	Grant  string `json:"grant,omitempty"`  // grant_type
	User   string `json:"user,omitempty"`
	Family string `json:"family,omitempty"` // refresh family, when one is concerned

	Fault   string  `json:"fault,omitempty"` // the fault that was in force
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"` // error code that was answered
	// Reason is the server's own one for a refusal, finer than Error.
	Reason string `json:"reason,omitempty"`
	Status int    `json:"status,omitempty"` // 0 when the connection was closed without an answer
}

// Param returns the first value of a parameter, hashed if it is a secret.
func (r Record) Param(name string) string {
	if vs := r.Params[name]; len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// Hash returns what the history shows in place of a secret, so that a test can
// compare one that it knows.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// secretParam reports whether the history must not show a parameter's value.
func secretParam(name string) bool {
	switch name {
	case "client_secret", "code", "code_verifier", "refresh_token", "access_token", "token",
		"password", "state", "client_assertion", "assertion", "id_token", "tx":
		return true
	}
	return false
}

func hashed(params map[string][]string) map[string][]string {
	if len(params) == 0 {
		return nil
	}
	out := make(map[string][]string, len(params))
	for name, values := range params {
		values = slices.Clone(values)
		if secretParam(name) {
			for i, v := range values {
				values[i] = Hash(v)
			}
		}
		for i, v := range values {
			values[i] = v[:min(len(v), maxShown)]
		}
		out[name] = values
	}
	return out
}

// maxShown bounds, in bytes, what the history keeps of one value.
const maxShown = 4 << 10

// maxRecords bounds the history; see [History.Dropped].
const maxRecords = 50_000

// History is what a server was asked and what it made of it. It is the judge
// in tests: a client that says "I refreshed once" is believed when
// [History.Rotations] says one. It is safe for concurrent use.
type History struct {
	mu      sync.Mutex
	records []Record
	dropped int
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
// history was full (50,000 records).
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
		for _, r := range rs {
			if r.Endpoint == at {
				n--
			}
		}
		return n <= 0
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

// open enters a request that has just arrived and gives it its number.
func (h *History) open(r *Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.records) == maxRecords {
		h.records = slices.Delete(h.records, 0, maxRecords/10)
		h.dropped += maxRecords / 10
	}
	r.N = h.dropped + len(h.records) + 1
	h.records = append(h.records, *r)
	h.notify()
}

// close writes down how it ended. It is called before the answer goes out, so
// that a client which has its answer finds it in the history.
func (h *History) close(r *Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := r.N - 1 - h.dropped
	if i < 0 || i >= len(h.records) || h.records[i].Endpoint != r.Endpoint {
		return // cleared or dropped meanwhile
	}
	h.records[i] = *r
	h.notify()
}

func (h *History) notify() {
	close(h.changed)
	h.changed = make(chan struct{})
}
