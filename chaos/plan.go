package main

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/providertest"
)

// The deeds of a plan.
const (
	kill    = "kill"    // SIGKILL from outside
	freeze  = "freeze"  // SIGSTOP from outside; the watcher wakes it
	cut     = "cut"     // the database's connections break, and no new ones come about
	stall   = "stall"   // nothing goes through the database's connections
	mend    = "mend"    // the end of both
	disturb = "disturb" // a fault at the provider
	heal    = "heal"    // the provider's faults are over, and what it holds goes on
)

// deed is something that is done at a moment.
type deed struct {
	at      time.Duration // from the beginning of the trouble
	what    string
	replica int // whose process or way to the database
	fault   providertest.Fault
}

// fate is what becomes of one process, the n-th of its replica.
type fate struct {
	stops   string          // for KEYBEARER_CHAOS_STOP
	pause   time.Duration   // before the next one is started
	naps    []time.Duration // how long each freeze lasts, over and over
	clockBy time.Duration   // how wrong its clock is
}

// dice are random numbers for one purpose: what is drawn for another does not move them.
func (s settings) dice(purpose string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

func between(dice *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(dice.Int64N(int64(to-from)+1))
}

func pick[T any](dice *rand.Rand, from []T) T { return from[dice.IntN(len(from))] }

// plan draws what happens from outside.
func (s settings) plan() []deed {
	dice := s.dice("plan")
	gap, whats := s.gap(), []string{kill, freeze, cut, cut, stall, disturb, disturb, disturb}
	if s.database == "sqlite" {
		whats = []string{kill, freeze, disturb, disturb, disturb}
	}
	var deeds []deed
	for at := gap; at < s.duration; at += between(dice, gap/2, 3*gap/2) {
		d := deed{at: at, what: pick(dice, whats), replica: dice.IntN(s.replicas())}
		lasts := between(dice, gap/5, 3*gap)
		switch d.what {
		case cut, stall:
			deeds = append(deeds, deed{at: at + lasts, what: mend, replica: d.replica})
		case disturb:
			d.fault = s.drawFault(dice)
			deeds = append(deeds, deed{at: at + lasts, what: heal})
		}
		deeds = append(deeds, d)
	}
	slices.SortStableFunc(deeds, func(a, b deed) int { return cmp.Compare(a.at, b.at) })
	return deeds
}

// gap is the usual time between two deeds.
func (s settings) gap() time.Duration {
	if s.short {
		return 600 * time.Millisecond
	}
	return 1500 * time.Millisecond
}

// drawFault draws what the provider does wrong. One without a leeway never loses an answer on its own:
// nothing could save that grant, and the engine would not be what is tried.
func (s settings) drawFault(dice *rand.Rand) providertest.Fault {
	names := []string{"too_many", "unavailable", "server_error", "closed", "hold"}
	if s.leeway > 0 {
		names = append(names, "lost", "lost", "cut_off", "hold_answer")
	}
	f := providertest.Fault{Endpoint: providertest.Token, Name: pick(dice, names), Grant: "refresh_token"}
	if loses(f.Name) {
		f.Times = 1 + dice.IntN(8)
	}
	if f.Name == "too_many" || f.Name == "unavailable" {
		f.Value = strconv.Itoa(1 + dice.IntN(3)) // seconds
	}
	return f
}

// fate draws what becomes of a process. About half die at a point of their own choice, some freeze
// there, and the others wait for the plan to kill them.
func (s settings) fate(replica, number int) fate {
	dice := s.dice(fmt.Sprintf("fate %d %d", replica, number))
	perSecond := float64(s.connections) / s.life.Seconds() / float64(s.replicas())
	often := 2 + dice.IntN(int(perSecond*4*s.gap().Seconds())+1)
	f := fate{
		pause:   between(dice, s.gap()/20, s.gap()/2),
		clockBy: []time.Duration{0, 30 * time.Second, -30 * time.Second}[replica%3],
	}
	for range 8 {
		nap := between(dice, s.gap()/10, 2*s.gap())
		if !s.short && dice.IntN(3) == 0 {
			nap = between(dice, 16*time.Second, 22*time.Second) // longer than a lease lasts
		}
		f.naps = append(f.naps, nap)
	}
	at := pick(dice, fault.Points())
	switch n := dice.IntN(100); {
	case n < 65:
		f.stops = fmt.Sprintf("die@%s:%d", at, often)
	case n < 85:
		f.stops = fmt.Sprintf("freeze@%s:%d", at, often)
	}
	return f
}
