package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Fault is one misbehaviour to be shown at one endpoint.
type Fault struct {
	Endpoint Endpoint `json:"endpoint"`
	// Name is one of [FaultKinds].
	Name string `json:"name"`
	// Times is for how many requests; 0 means until cleared. Faults of one
	// endpoint queue up: the next one starts when this one is used up.
	Times int `json:"times,omitempty"`
	// Grant limits a token fault to one grant type ("refresh_token"); other
	// requests pass as if it were not there.
	Grant string `json:"grant,omitempty"`
	// Value is for the few kinds that take one, such as where to redirect to.
	Value string `json:"value,omitempty"`
}

// FaultKind is an entry of the table of faults.
type FaultKind struct {
	Name      string     `json:"name"`
	Endpoints []Endpoint `json:"endpoints"`
	Reason    string     `json:"reason"` // one sentence: who does this, or what it provokes
	Value     string     `json:"value,omitempty"`

	// before answers in place of the endpoint: the server has done nothing.
	before func(c *Call, value string) *Answer
	// after bends what the endpoint answered: the server has done its work, a
	// refresh token may be rotated. Refusals are mostly left as they are.
	after func(c *Call, a *Answer, value string) *Answer
	// hold stops the request until released: before the work or after it.
	hold holdPoint
}

type holdPoint int

const (
	noHold holdPoint = iota
	holdBefore
	holdAfter
)

// Inject queues faults. An unknown name, an endpoint where the fault cannot
// be, or a negative number of times panics: a misspelled fault would let a test pass for
// nothing. The control API answers 400 instead.
func (b *Bench) Inject(fs ...Fault) {
	for _, f := range fs {
		if err := b.faults.add(f); err != nil {
			panic("providertest: " + err.Error())
		}
	}
}

// Heal clears the faults of the given endpoints, of all if none is given, and
// releases what they hold.
func (b *Bench) Heal(at ...Endpoint) { b.faults.clear(at) }

// Release lets all held requests go on, and takes back holds that were not
// used yet. It cannot come too early: a request that is just arriving is not
// held any more.
func (b *Bench) Release() { b.faults.release() }

// Faults lists the faults in force, in their order at each endpoint, with
// the times that are left.
func (b *Bench) Faults() []Fault { return b.faults.list() }

// faults is the switchboard.
type faults struct {
	mu    sync.Mutex
	kinds map[string]FaultKind
	queue []*setFault
	held  []*setFault // used up, but some request may still wait at the gate
}

type setFault struct {
	Fault
	kind FaultKind
	gate chan struct{}
}

func newFaults() *faults {
	kinds := map[string]FaultKind{}
	for _, k := range FaultKinds() {
		kinds[k.Name] = k
	}
	return &faults{kinds: kinds}
}

func (f *faults) add(set Fault) error {
	kind, ok := f.kinds[set.Name]
	switch {
	case !ok:
		return fmt.Errorf("there is no fault %q", set.Name)
	case !slices.Contains(kind.Endpoints, set.Endpoint):
		return fmt.Errorf("fault %q is not for endpoint %q but for %s", set.Name, set.Endpoint, join(kind.Endpoints))
	case set.Times < 0:
		return fmt.Errorf("fault %q: times must be 0 (until cleared) or more", set.Name)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, &setFault{Fault: set, kind: kind, gate: make(chan struct{})})
	return nil
}

// take returns the fault that applies to a request, if any, and counts it.
func (f *faults) take(at Endpoint, grant string) *setFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, set := range f.queue {
		if set.Endpoint != at || set.Grant != "" && set.Grant != grant {
			continue
		}
		if set.Times > 0 {
			set.Times--
			if set.Times == 0 {
				f.queue = slices.Delete(f.queue, i, i+1)
				if set.kind.hold != noHold {
					f.held = append(f.held, set)
				}
			}
		}
		return set
	}
	return nil
}

// apply runs an endpoint's work under the fault that is due, if any.
func (f *faults) apply(at Endpoint, c *Call, work func(*Call) *Answer) *Answer {
	set := f.take(at, c.Record.Grant)
	if set == nil {
		return work(c)
	}
	c.Record.Fault = set.Name
	if set.kind.before != nil {
		c.Record.Outcome = Faulted
		return set.kind.before(c, set.Value)
	}
	if set.kind.hold == holdBefore && !set.wait(c.Request.Context()) {
		c.Record.Outcome = Faulted
		return &Answer{drop: true}
	}
	answer := work(c)
	if set.kind.after != nil {
		answer = set.kind.after(c, answer, set.Value)
	}
	if set.kind.hold == holdAfter {
		c.note() // so that a tester can wait for the rotation itself
		set.wait(c.Request.Context())
	}
	return answer
}

// bend applies the fault that is due at the way back to the client.
func (f *faults) bend(at Endpoint, r *Record, answer *Answer) *Answer {
	set := f.take(at, "")
	if set == nil {
		return answer
	}
	r.Fault = set.Name
	return set.kind.after(nil, answer, set.Value)
}

// wait reports whether the request was released while its client was there.
func (s *setFault) wait(ctx context.Context) bool {
	select {
	case <-s.gate:
		return true
	case <-ctx.Done():
		return false
	}
}

func (f *faults) clear(at []Endpoint) {
	f.drop(func(s *setFault) bool { return len(at) == 0 || slices.Contains(at, s.Endpoint) })
}

func (f *faults) release() {
	f.drop(func(s *setFault) bool { return s.kind.hold != noHold })
}

// drop takes faults out of force and opens their gates.
func (f *faults) drop(match func(*setFault) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	open := func(s *setFault) bool {
		if !match(s) {
			return false
		}
		close(s.gate)
		return true
	}
	f.queue = slices.DeleteFunc(f.queue, open)
	f.held = slices.DeleteFunc(f.held, open)
}

func (f *faults) list() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Fault, 0, len(f.queue))
	for _, s := range f.queue {
		out = append(out, s.Fault)
	}
	return out
}

func join(at []Endpoint) string {
	names := make([]string, len(at))
	for i, e := range at {
		names[i] = string(e)
	}
	return strings.Join(names, ", ")
}
