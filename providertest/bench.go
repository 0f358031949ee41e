package providertest

import (
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Bench is what a tester holds in hand while a server runs: the clock, the
// faults, the person's decision and the request history. Both servers of this
// module embed one. It is safe for concurrent use.
type Bench struct {
	clock   func() time.Time
	history *History
	faults  *faults

	mu       sync.Mutex
	offset   time.Duration
	decision Decision
}

// NewBench returns a bench whose clock is the given one; nil is [time.Now].
func NewBench(clock func() time.Time) *Bench {
	if clock == nil {
		clock = time.Now
	}
	return &Bench{clock: clock, history: newHistory(), faults: newFaults()}
}

// Now is the server's time: the clock plus all advances.
func (b *Bench) Now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.clock().Add(b.offset)
}

// Advance moves the server's time by d, backwards too.
func (b *Bench) Advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.offset += d
}

// History returns the request history.
func (b *Bench) History() *History { return b.history }

// Decision is what the person in front of the browser does. The zero Decision
// asks: login and consent pages are shown.
type Decision struct {
	// Answer is "" or "ask" for the pages, "approve" or "decline" for a
	// machine that clicks at once.
	Answer string `json:"answer"`
	// User is who signs in; empty means the request's login_hint, or else the
	// first user of the configuration.
	User string `json:"user,omitempty"`
	// Sites are the Atlassian sites (ids or names) that are chosen; empty
	// means the first one that the account can see.
	Sites []string `json:"sites,omitempty"`
}

func (d Decision) check() error {
	switch d.Answer {
	case "", "ask", "approve", "decline":
		return nil
	}
	return fmt.Errorf("answer is %q, but it must be ask, approve or decline", d.Answer)
}

// Decide sets what the person does from now on. It panics if the answer is
// none of the four.
func (b *Bench) Decide(d Decision) {
	if err := d.check(); err != nil {
		panic("providertest: " + err.Error())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.decision = d
}

// Approve lets user (empty: the login_hint or the first one) approve
// everything at once, without pages.
func (b *Bench) Approve(user string) { b.Decide(Decision{Answer: "approve", User: user}) }

// Decline lets the person decline everything at once.
func (b *Bench) Decline() { b.Decide(Decision{Answer: "decline"}) }

// Ask shows the pages again.
func (b *Bench) Ask() { b.Decide(Decision{}) }

// Decision returns what the person does at present.
func (b *Bench) Decision() Decision {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.decision
}

// Handle makes an endpoint of a function: it reads the parameters within
// bounds, writes the history and applies the faults. The function decides, and
// fills in the call's record.
func (b *Bench) Handle(at Endpoint, work func(*Call) *Answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := readCall(r, at)
		call.Record.Time = b.Now()
		done := b.history.open(call.Record)
		call.note = done
		answer := b.faults.apply(at, call, work)
		if answer.Callback != nil {
			answer = b.bendCallback(answer)
		}
		answer = answer.resolve()
		call.Record.Status = answer.Status
		if answer.drop {
			call.Record.Status = 0
		}
		if call.Record.Outcome == Pending {
			call.Record.Outcome = outcomeOf(answer.Status)
		}
		done()
		answer.write(w)
	})
}

// bendCallback records the way back, as it was before any fault touched it
// but with the fault's name.
func (b *Bench) bendCallback(answer *Answer) *Answer {
	back := answer.Callback
	record := &Record{
		Endpoint: Callback, Time: b.Now(), Method: http.MethodGet, Path: back.RedirectURI,
		Params: hashed(back.Params), Outcome: Served, Error: back.Params.Get("error"),
	}
	if back.FormPost {
		record.Method = http.MethodPost
	}
	answer = b.faults.bend(Callback, record, answer)
	b.history.open(record)
	return answer
}

func outcomeOf(status int) Outcome {
	if status >= http.StatusBadRequest {
		return Refused
	}
	return Served
}
