package main

import (
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/internal/fault"
	"github.com/keybearer/keybearer/providertest"
)

// trial is one grant of one user, with a life of ten seconds, and what is known of it.
type trial struct {
	tries    []providertest.Try
	dead     string
	commits  []time.Duration // of the process p
	endings  []ending
	naps     []nap
	refused  []misfit
	lost     bool
	state    string
	calmFrom time.Duration
}

func at(d time.Duration) time.Time { return time.Unix(1_000_000, 0).Add(d) }

// rotated is a good answer to the token of that number.
func rotated(after time.Duration, token string) providertest.Try {
	return providertest.Try{Time: at(after), Token: token, Outcome: providertest.Rotated, UserAgent: "p"}
}

func (c trial) judge(leeway time.Duration) *verdict {
	e := &evidence{
		grants:      []providertest.Grant{{User: user(0), Dead: c.dead, Tries: c.tries}},
		connections: map[string]api.Connection{user(0): {ID: "conn", UserID: user(0), ConnectionStatus: c.state}},
		works:       map[string]bool{user(0): !c.lost},
		points:      map[string][]fault.Line{}, endings: c.endings, naps: c.naps, refused: c.refused, calm: at(c.calmFrom),
	}
	for _, t := range c.tries {
		switch t.Outcome {
		case providertest.Rotated:
			e.grants[0].Rotations++
		case providertest.Leeway:
			e.grants[0].Leeways++
		case providertest.Reused:
			e.grants[0].Reuses++
		}
	}
	for _, after := range c.commits {
		e.points["p"] = append(e.points["p"], fault.Line{Time: at(after), Deed: "pass", At: fault.AfterCommit, Connection: "conn"})
	}
	return judge(settings{leeway: leeway, life: 10 * time.Second, connections: 1}, e)
}

func TestJudgeFindsNothingInAnOrdinaryLife(t *testing.T) {
	v := trial{
		tries:    []providertest.Try{rotated(9*time.Second, "1"), rotated(18*time.Second, "2")},
		commits:  []time.Duration{9*time.Second + 2*time.Millisecond, 18*time.Second + 4*time.Millisecond},
		calmFrom: 15 * time.Second,
	}.judge(0)
	if !v.kept() || v.width(0) != 2*time.Millisecond || v.width(100) != 4*time.Millisecond {
		t.Errorf("got %q, windows of %s to %s, want nothing broken, 2ms to 4ms", v.broken, v.width(0), v.width(100))
	}
}

func TestJudgeFindsTheCauseOfALoss(t *testing.T) {
	last := rotated(9*time.Second, "1")
	answerless := last
	answerless.Fault = "lost"
	for _, c := range []struct {
		cause   string
		trial   trial
		excused bool // where there is no leeway
	}{
		{diedInWindow, trial{tries: []providertest.Try{last}, dead: "x", endings: []ending{{name: "p", at: at(9*time.Second + time.Millisecond), how: "die@after-answer"}}}, true},
		{noCause, trial{tries: []providertest.Try{last}, dead: "x", endings: []ending{{name: "p", at: at(9*time.Second + time.Millisecond), how: stoppedInOrder}}}, false},
		{noCause, trial{tries: []providertest.Try{last}, dead: "x", endings: []ending{{name: "p", at: at(time.Minute), how: killedFromOutside}}}, false},
		{frozenInWindow, trial{tries: []providertest.Try{last}, dead: "x", naps: []nap{{"p", at(8 * time.Second), at(20 * time.Second)}}}, true},
		{noCause, trial{tries: []providertest.Try{last}, dead: "x", naps: []nap{{"p", at(8 * time.Second), at(12 * time.Second)}}}, false},
		{answerLost, trial{tries: []providertest.Try{answerless}, dead: "x"}, false},
		{storedAndLost, trial{tries: []providertest.Try{last}, dead: "x", commits: []time.Duration{10 * time.Second}}, false},
		{givenUp, trial{tries: []providertest.Try{last}, commits: []time.Duration{10 * time.Second}}, false},
		{neverRotated, trial{dead: "x"}, false},
	} {
		c.trial.lost = true
		v := c.trial.judge(0)
		if len(v.losses) != 1 || v.losses[0].cause != c.cause {
			t.Errorf("got %+v, want one loss: %s", v.losses, c.cause)
		}
		unexcused := strings.Contains(strings.Join(v.broken, "\n"), "without a process dying")
		if unexcused == c.excused {
			t.Errorf("%s: got %q, want it excused: %t", c.cause, v.broken, c.excused)
		}
		if v := c.trial.judge(time.Minute); v.kept() {
			t.Errorf("%s: with a leeway nothing was broken", c.cause)
		}
	}
}

func TestJudgeFindsWhatNobodyLost(t *testing.T) {
	refused := providertest.Try{Time: at(9 * time.Second), Token: "1", Outcome: providertest.DeadGrant}
	again := providertest.Try{Time: at(19 * time.Second), Token: "1", Outcome: providertest.Leeway, UserAgent: "q"}
	for says, c := range map[string]trial{
		"before a third of the token's life":          {tries: []providertest.Try{rotated(9*time.Second, "1"), rotated(12*time.Second, "2")}},
		"although their successors were stored":       {tries: []providertest.Try{rotated(9*time.Second, "1"), again}, commits: []time.Duration{10 * time.Second}},
		"grants were lost":                            {tries: []providertest.Try{rotated(9*time.Second, "1")}, calmFrom: time.Minute},
		"had ended before, or were never":             {tries: []providertest.Try{rotated(9*time.Second, "1")}, refused: []misfit{{user: user(0), asked: at(2 * time.Second), used: at(3 * time.Second), end: at(time.Second)}}},
		"spent refresh tokens were presented after t": {tries: []providertest.Try{rotated(9*time.Second, "1"), {Time: at(19 * time.Second), Token: "1", Outcome: providertest.Reused, UserAgent: "q"}}},
		"are not told, with a reason":                 {lost: true, state: "active"},
		"1 times a dead grant was tried again":        {tries: []providertest.Try{refused, refused}},
		"processes ended by themselves":               {endings: []ending{{name: "p", at: at(0), how: byItself + "exit status 2"}}},
		"nothing was tried":                           {},
	} {
		if v := c.judge(time.Minute); !strings.Contains(strings.Join(v.broken, "\n"), says) {
			t.Errorf("got %q, want something with %q", v.broken, says)
		}
	}
	excused := trial{tries: []providertest.Try{refused, refused}, endings: []ending{{name: "p", at: at(10 * time.Second), how: killedFromOutside}}}
	excused.tries[0].UserAgent = "p"
	if v := excused.judge(time.Minute); v.deadTries != 0 {
		t.Errorf("who was refused first died before it could say so: got %d tries of a dead grant, want none", v.deadTries)
	}
	onTheWay := trial{tries: []providertest.Try{rotated(9*time.Second, "1")}, refused: []misfit{{user: user(0), asked: at(time.Second), used: at(3 * time.Second), end: at(2 * time.Second)}}}
	if v := onTheWay.judge(time.Minute); !v.kept() || v.onTheWay != 1 {
		t.Errorf("a token that ended on the way: got %q, want nothing broken", v.broken)
	}
}
