package httpapi

import (
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// The bounds of the replays.
const (
	replayLife      = 10 * time.Minute
	mostReplays     = 4096     // answers, with those that are not kept
	mostReplayBytes = 16 << 20 // of all answers together
	longestReplay   = 64 << 10 // of one answer
	longestKey      = 255      // of an Idempotency-Key
)

type digest [sha256.Size]byte

// replays remembers the answers to requests with an Idempotency-Key, so that a client that repeats a
// request, because the answer was lost, does not do the thing twice. Only successes are remembered;
// whoever repeats a request while the first one is still being worked on waits for its answer.
// It is in memory, and so a help, not a guarantee: an engine that was restarted does not remember.
type replays struct {
	now   func() time.Time
	mu    sync.Mutex
	known map[digest]*replay
	kept  []*replay // of known, those that are settled, oldest first; all live equally long
	bytes int       // of the answers of kept
}

// replay is one remembered answer, or one to come: the last four are set before done is closed. The answer
// may be dropped later; it is read with the lock held.
type replay struct {
	id, body digest
	done     chan struct{}
	expires  time.Time
	status   int
	answer   []byte // nil: not kept
	spent    bool   // the key stays used, even if the answer is not kept
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
		r, mine := c.replays.claim(id, body)
		if mine {
			return c.performAndKeep(r)
		}
		if r.body != body {
			return c.refused(keybearer.Errorf(keybearer.Conflict, "this Idempotency-Key was used with another body: use a new one"))
		}
		if err := r.wait(c.ctx()); err != nil {
			return c.refused(err)
		}
		kept, spent := c.replays.answer(r)
		if kept != nil {
			buf := c.buffer()
			buf.Write(kept)
			return answer{status: r.status, body: buf, header: map[string]string{"Idempotent-Replayed": "true"}}
		}
		if spent {
			return c.refused(keybearer.Errorf(keybearer.Conflict, "it was executed under this Idempotency-Key, or may have been, and the answer is not kept any more: do not repeat it under another key unless running it twice does no harm"))
		}
	}
}

func (c *call) performAndKeep(r *replay) answer {
	settled := false
	defer func() {
		if !settled { // a panic is on its way
			c.replays.settle(r, 0, nil, c.route.onceOnly)
		}
	}()
	if c.route.onceOnly { // what was begun goes on though the client hangs up: it comes back for the answer
		c.req = c.req.WithContext(context.WithoutCancel(c.ctx()))
	}
	a := c.perform()
	settled = true
	if a.status/100 != 2 || c.unrepeatable || a.body == nil || a.body.Len() > longestReplay {
		// What was refused was not done; of an internal error nobody knows.
		done := a.status/100 == 2 || a.status == http.StatusInternalServerError
		c.replays.settle(r, 0, nil, c.route.onceOnly && done)
		return a
	}
	c.replays.settle(r, a.status, append([]byte(nil), a.body.Bytes()...), c.route.onceOnly)
	return a
}

// claim finds the replay of an id, or makes one, which the caller then has to settle.
func (s *replays) claim(id, body digest) (r *replay, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forget()
	if r, ok := s.known[id]; ok {
		return r, false
	}
	r = &replay{id: id, body: body, done: make(chan struct{})}
	s.known[id] = r
	return r, true
}

// answer gives what is kept of a settled replay.
func (s *replays) answer(r *replay) (kept []byte, spent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return r.answer, r.spent
}

// settle keeps the answer, or that the key is spent, or forgets the replay if there is neither.
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

// forget drops the oldest replays while they are too old or too many, and then the oldest answers
// while they are too large together; a spent key stays without its answer.
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
	if s.bytes <= mostReplayBytes {
		return
	}
	s.kept = slices.DeleteFunc(s.kept, func(r *replay) bool {
		if s.bytes <= mostReplayBytes {
			return false
		}
		s.bytes -= len(r.answer)
		r.answer = nil
		if !r.spent {
			delete(s.known, r.id)
		}
		return !r.spent
	})
}

func (r *replay) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
