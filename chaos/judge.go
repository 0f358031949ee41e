package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/providertest"
)

// The causes of losses.
const (
	diedInWindow   = "a process died between the provider's rotation and the commit"
	frozenInWindow = "a process was frozen for longer than its lease between the provider's rotation and the commit"
	answerLost     = "the provider rotated and lost its answer"
	storedAndLost  = "the rotation was stored, and the grant lost all the same"
	givenUp        = "the engine gave up a grant that lives"
	neverRotated   = "it was lost before its first rotation"
	noCause        = "no cause was found"
)

// loss is a user who has to consent again.
type loss struct {
	user, cause, detail string
}

// verdict is what the provider's books say about a run.
type verdict struct {
	losses    []loss
	rotations int
	inLeeway  int // spent tokens that came again in time
	tooLate   int // and those that came too late
	early     int // rotations that no end of a token explains
	needless  []string
	deadTries int // presentations of a token that had been refused already
	silent    int // losses of which the engine does not say that a new consent is needed, and why
	orphans   int // rotations of which no commit is noted
	widths    []time.Duration
	wrong     []misfit // tokens that had ended before they were asked for, or that the provider never gave
	onTheWay  int      // tokens that ended between the asking and their use
	broken    []string // promises
}

func (v *verdict) kept() bool { return len(v.broken) == 0 }

// judge compares the provider's books with what the engine promises.
func judge(s settings, e *evidence) *verdict {
	v := &verdict{}
	for _, g := range e.grants {
		v.rotations += g.Rotations
		v.inLeeway += g.Leeways
		v.tooLate += g.Reuses
		h := e.story(g)
		v.measure(h, s.life)
		if !e.works[g.User] {
			v.losses = append(v.losses, h.loss())
			if c := h.connection; c.ConnectionStatus != string(keybearer.ConnectionReauthorize) || c.StatusReason == "" {
				v.silent++
			}
		} else if i := h.lastGood(); i < 0 || h.Tries[i].Time.Before(e.calm) {
			v.losses = append(v.losses, loss{g.User, noCause, "its token works, and was never refreshed after the trouble"})
		}
	}
	v.wrongTokens(e)
	v.decide(s, e)
	return v
}

// story is a grant with what else is known of it.
type story struct {
	providertest.Grant
	e          *evidence
	connection api.Connection
}

func (e *evidence) story(g providertest.Grant) story { return story{g, e, e.connections[g.User]} }

func good(t providertest.Try) bool {
	return t.Outcome == providertest.Rotated || t.Outcome == providertest.Leeway
}

func (h story) lastGood() int {
	for i, t := range slices.Backward(h.Tries) {
		if good(t) {
			return i
		}
	}
	return -1
}

// committed finds when the process that got the i-th try's answer had stored it.
func (h story) committed(i int) (time.Time, bool) {
	t := h.Tries[i]
	for _, line := range h.e.points[t.UserAgent] {
		if line.At == fault.AfterCommit && line.Connection == h.connection.ID && line.Time.After(t.Time) {
			for _, later := range h.Tries[i+1:] { // unless it was that one's
				if later.UserAgent == t.UserAgent && good(later) && later.Time.Before(line.Time) {
					return time.Time{}, false
				}
			}
			return line.Time, true
		}
	}
	return time.Time{}, false
}

// measure takes the widths of the windows, and finds rotations and presentations that nothing explains.
func (v *verdict) measure(h story, life time.Duration) {
	last := -1
	for i, t := range h.Tries {
		if t.Outcome == providertest.DeadGrant {
			if slices.ContainsFunc(h.Tries[:i], func(x providertest.Try) bool { return x.Token == t.Token && !good(x) && !h.e.diedAfter(x) }) {
				v.deadTries++
			}
			continue
		}
		if t.Outcome == providertest.Rotated && last >= 0 && t.Time.Sub(h.Tries[last].Time) < life/3 && !h.delayed(last) {
			v.early++
		}
		if t.Outcome != providertest.Rotated {
			v.blame(h, i)
		}
		if !good(t) {
			continue
		}
		last = i
		if at, ok := h.committed(i); ok {
			v.widths = append(v.widths, at.Sub(t.Time))
		} else {
			v.orphans++
		}
	}
}

// delayed says that the i-th try was long on its way, as far as is known. The engine counts the life of
// what came of it from the sending, as it must, and the provider from its arrival.
func (h story) delayed(i int) bool {
	t := h.Tries[i]
	_, napped := h.e.napAt(t.UserAgent, t.Time.Add(-longestWindow))
	return t.Fault == "hold" || napped
}

// blame looks whether a spent token was presented although its successor had been stored.
func (v *verdict) blame(h story, i int) {
	for j, t := range h.Tries[:i] {
		if t.Token != h.Tries[i].Token || !good(t) {
			continue
		}
		if at, ok := h.committed(j); ok && at.Before(h.Tries[i].Time) {
			v.needless = append(v.needless, fmt.Sprintf("%s: %s got it rotated, stored that, and %s later %s presented it again (%s)",
				h.User, t.UserAgent, h.Tries[i].Time.Sub(at).Round(time.Millisecond), h.Tries[i].UserAgent, h.Tries[i].Outcome))
			return
		}
	}
}

// loss finds the cause of a loss in what became of the last rotation.
func (h story) loss() loss {
	l := loss{user: h.User, cause: noCause}
	i := h.lastGood()
	said := fmt.Sprintf("the engine says: %s (%.100s…)", h.connection.ConnectionStatus, h.connection.StatusReason)
	if i < 0 {
		l.cause, l.detail = neverRotated, said
		return l
	}
	t := h.Tries[i]
	by := t.UserAgent
	l.detail = fmt.Sprintf("last rotation by %s at %s (%s)", by, t.Time.Format(clock), t.Outcome)
	at, stored := h.committed(i)
	end, _ := h.e.ending(by)
	n, napped := h.e.napAt(by, t.Time)
	switch {
	case h.Dead == "" && stored:
		l.cause, l.detail = givenUp, l.detail+fmt.Sprintf(", stored %s later", at.Sub(t.Time).Round(time.Millisecond))
	case stored:
		l.cause, l.detail = storedAndLost, l.detail+fmt.Sprintf(", stored %s later", at.Sub(t.Time).Round(time.Millisecond))
	case loses(t.Fault):
		l.cause, l.detail = answerLost, l.detail+", fault "+t.Fault
	case h.e.diedAfter(t):
		l.cause, l.detail = diedInWindow, l.detail+fmt.Sprintf(", %s: %s later", end.how, end.at.Sub(t.Time).Round(time.Millisecond))
	case napped && n.to.Sub(n.from) > shortestLease:
		l.cause, l.detail = frozenInWindow, l.detail+fmt.Sprintf(", for %s", n.to.Sub(n.from).Round(time.Millisecond))
	}
	for _, later := range h.Tries[i+1:] {
		l.detail += fmt.Sprintf("; %s later %s by %s", later.Time.Sub(t.Time).Round(time.Millisecond), later.Outcome, later.UserAgent)
	}
	l.detail += "; " + said
	return l
}

// longestWindow is how long after a rotation a death can be what kept it from being stored: the engine
// gives a request to the provider 20 seconds and the database ten.
const longestWindow = 30 * time.Second

// shortestLease is what is left of the lease of a process that freezes, at least. When it is over the others
// have to take the process for dead.
const shortestLease = 10 * time.Second

// clockError is how wrong a replica may know the database's clock: half of a round trip.
const clockError = 250 * time.Millisecond

// loses reports faults that come after the provider's work.
func loses(name string) bool {
	return name == "lost" || name == "cut_off" || name == "hold_answer"
}

func (e *evidence) ending(name string) (ending, bool) {
	i := slices.IndexFunc(e.endings, func(x ending) bool { return x.name == name })
	if i < 0 {
		return ending{}, false
	}
	return e.endings[i], true
}

// diedAfter reports whether a process died so soon after a try that it may not have written down what came
// of it.
func (e *evidence) diedAfter(t providertest.Try) bool {
	end, ended := e.ending(t.UserAgent)
	return ended && end.how != stoppedInOrder && end.at.Sub(t.Time) < longestWindow
}

// napAt finds the freeze in which a moment fell, or that began soon after it.
func (e *evidence) napAt(name string, at time.Time) (nap, bool) {
	for _, n := range e.naps {
		if n.name == name && n.to.After(at) && n.from.Before(at.Add(longestWindow)) {
			return n, true
		}
	}
	return nap{}, false
}

// wrongTokens sorts what the provider refused.
func (v *verdict) wrongTokens(e *evidence) {
	ended := map[string]time.Time{} // when a family was killed
	for _, g := range e.grants {
		for _, t := range g.Tries {
			if t.Outcome == providertest.Reused {
				ended[g.User] = t.Time
			}
		}
	}
	for _, m := range e.refused {
		end, killed := ended[m.user]
		switch {
		case killed && !m.used.Before(end): // that is counted as a loss
		case !m.end.IsZero() && !m.end.Add(clockError).Before(m.asked):
			v.onTheWay++
		default:
			v.wrong = append(v.wrong, m)
		}
	}
}

// decide lists the promises that were broken.
func (v *verdict) decide(s settings, e *evidence) {
	complain := func(n int, format string, args ...any) {
		if n > 0 {
			v.broken = append(v.broken, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	if s.leeway > 0 {
		complain(len(v.losses), "grants were lost although the provider has a leeway")
		complain(v.tooLate, "spent refresh tokens were presented after the leeway")
	} else {
		unexcused := 0
		for _, l := range v.losses {
			if l.cause != diedInWindow && l.cause != frozenInWindow {
				unexcused++
			}
		}
		complain(unexcused, "grants were lost without a process dying in the window, or freezing there for longer than its lease")
	}
	complain(v.silent, "lost grants are not told, with a reason")
	complain(v.deadTries, "times a dead grant was tried again")
	crashes := 0
	for _, x := range e.endings {
		if strings.HasPrefix(x.how, byItself) {
			crashes++
		}
	}
	complain(crashes, "processes ended by themselves")
	complain(e.tally["error: "+string(keybearer.Internal)], "answers were internal errors")
	complain(len(e.foreign), "tokens were somebody else's")
	complain(len(v.wrong), "tokens that were handed out had ended before, or were never the provider's")
	complain(v.early, "rotations came before a third of the token's life was over")
	complain(len(v.needless), "spent refresh tokens were presented although their successors were stored")
	complain(s.connections-len(e.connections), "connections are gone")
	if v.rotations < s.connections {
		v.broken = append(v.broken, fmt.Sprintf("there were %d rotations of %d grants: nothing was tried", v.rotations, s.connections))
	}
}

// causes counts the losses by cause.
func (v *verdict) causes() (names []string, count map[string]int) {
	count = map[string]int{}
	for _, l := range v.losses {
		count[l.cause]++
	}
	return slices.Sorted(maps.Keys(count)), count
}

// width gives a percentile of the windows.
func (v *verdict) width(percent int) time.Duration {
	if len(v.widths) == 0 {
		return 0
	}
	slices.Sort(v.widths)
	return v.widths[min(len(v.widths)-1, len(v.widths)*percent/100)]
}
