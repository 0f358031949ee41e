package httpapi

import (
	"context"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// The bounds of the replays.
const (
	replayLife      = 10 * time.Minute
	mostReplays     = 4096     // answers
	mostReplayBytes = 16 << 20 // of all answers together
	longestReplay   = 64 << 10 // of one answer
	longestKey      = 255      // of an Idempotency-Key
)

type digest [sha256.Size]byte

// replays remembers the answers to requests with an Idempotency-Key, so that a client that repeats a
// request, because the answer was lost, does not do the thing twice. Only successes are remembered;
// whoever repeats a request while the first one is still being worked on waits for its answer.
// It is in memory, and so a help, not a guarantee: an engine that was restarted does not remember.
// Where repeating does harm (route.runs) the key is remembered even when the answer is too long to be, and
// whoever repeats is told so.
type replays struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[digest]*replay
	kept  []*replay // of known, those that are settled, oldest first; all live equally long
	bytes int       // of the answers of kept
}

// replay is one remembered answer, or one to come: the last three are set before done is closed.
type replay struct {
	id, body digest
	done     chan struct{}
	expires  time.Time
	// runs is the route's; the next three are read and written under the lock of replays.
	runs   bool
	status int
	answer []byte // nil: not kept
	spent  bool   // it was done, and the answer is not kept (any more)
}

func newReplays(now func() time.Time) *replays {
	return &replays{now: now, known: make(map[digest]*replay)}
}

// performOnce performs the request, or answers as it was answered before.
func (c *call) performOnce(key string) answer {
	if len(key) > longestKey {
		return c.refused(keybearer.Errorf(keybearer.BadRequest, "the Idempotency-Key is longer than %d characters", longestKey))
	}
	id := sha256.Sum256([]byte(c.route.id + "\x00" + c.key.Reveal() + "\x00" + key))
	body := sha256.Sum256(c.body)
	for {
		r, mine := c.replays.claim(id, body, c.route.runs)
		if mine {
			return c.performAndKeep(r)
		}
		if r.body != body {
			return c.refused(keybearer.Errorf(keybearer.Conflict, "this Idempotency-Key was used with another body: use a new one"))
		}
		if err := r.wait(c.ctx()); err != nil {
			return c.refused(err)
		}
		switch status, text, spent := c.replays.read(r); {
		case spent:
			return c.refused(keybearer.Errorf(keybearer.Conflict, "this was done under the same Idempotency-Key, and its answer is not kept: do it again, under a new key, only if twice does no harm"))
		case text != nil:
			buf := c.buffer()
			buf.Write(text)
			return answer{status: status, body: buf, header: map[string]string{"Idempotent-Replayed": "true"}}
		}
	}
}

func (c *call) performAndKeep(r *replay) answer {
	settled := false
	defer func() {
		if !settled { // a panic is on its way
			c.replays.settle(r, 0, nil, false)
		}
	}()
	if c.route.runs { // what was begun goes on though the client hangs up: it comes back for the answer
		c.req = c.req.WithContext(context.WithoutCancel(c.ctx()))
	}
	a := c.perform()
	settled = true
	if a.status/100 != 2 || c.unrepeatable || a.body == nil || a.body.Len() > longestReplay {
		c.replays.settle(r, 0, nil, c.route.runs && a.status/100 == 2)
		return a
	}
	c.replays.settle(r, a.status, append([]byte(nil), a.body.Bytes()...), false)
	return a
}

// claim finds the replay of an id, or makes one, which the caller then has to settle.
func (s *replays) claim(id, body digest, runs bool) (r *replay, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	if r, ok := s.known[id]; ok {
		return r, false
	}
	r = &replay{id: id, body: body, runs: runs, done: make(chan struct{})}
	s.known[id] = r
	return r, true
}

// read gives a settled answer.
func (s *replays) read(r *replay) (status int, text []byte, spent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.status, r.answer, r.spent
}

// settle keeps the answer, or that it was spent, or forgets the replay if there is neither.
func (s *replays) settle(r *replay, status int, body []byte, spent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.status, r.answer, r.spent, r.expires = status, body, spent, s.now().Add(replayLife)
	if body != nil || spent {
		s.kept = append(s.kept, r)
		s.bytes += len(body)
		s.forget()
	} else {
		delete(s.known, r.id)
	}
	close(r.done)
}

// forget drops the oldest answers while they are too old, too many or too long.
func (s *replays) forget() {
	now := s.now()
	for len(s.kept) > 0 {
		oldest := s.kept[0]
		if now.Before(oldest.expires) && len(s.kept) <= mostReplays {
			break
		}
		delete(s.known, oldest.id)
		s.bytes -= len(oldest.answer)
		s.kept[0] = nil
		s.kept = s.kept[1:]
	}
	for i := 0; s.bytes > mostReplayBytes && i < len(s.kept); {
		r := s.kept[i]
		s.bytes -= len(r.answer)
		if r.runs {
			r.answer, r.spent = nil, true
			i++
			continue
		}
		delete(s.known, r.id)
		s.kept = slices.Delete(s.kept, i, i+1)
	}
}

func (r *replay) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
