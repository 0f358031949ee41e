package workers

import (
	"context"
	"errors"
	"reflect"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

const (
	// listLife bounds one look at a worker's list; firstPatience is how long somebody waits for a list that is
	// not known yet, and laterPatience for a newer one.
	listLife      = 20 * time.Second
	firstPatience = 5 * time.Second
	laterPatience = 250 * time.Millisecond
	// staleFactor is for how many times listFor a list is used while a newer one is being asked for.
	staleFactor = 3
)

// source is one worker with its list of tools. A list that could be had once is kept while the worker is away.
type source struct {
	worker keybearer.Worker
	end    endpoint
	// wrong is why there can be no endpoint.
	wrong error

	mu    sync.Mutex
	tools []*Tool
	// generation grows whenever tools has changed.
	generation uint64
	// asked is when the last look ended, zero before the first one and after a forget; err is how it ended.
	asked  time.Time
	err    error
	known  bool // a look has ended, well or not
	flight chan struct{}
}

// look gives the tools, and asks the worker first where the list is older than listFor. The look goes on in the
// background if patience ends. One look goes on at a time.
func (t *Toolbox) look(ctx context.Context, s *source, listFor time.Duration) {
	if s.wrong != nil {
		return
	}
	s.mu.Lock()
	if s.known && !s.asked.IsZero() && time.Since(s.asked) < listFor {
		s.mu.Unlock()
		return
	}
	patience := firstPatience
	if s.known {
		patience = laterPatience
	}
	if s.flight == nil {
		s.flight = make(chan struct{})
		if !t.begin(func(life context.Context) { t.fetch(life, s) }) {
			s.flight = nil
			s.mu.Unlock()
			return
		}
	}
	flight := s.flight
	// A list that is not much older than it should be is good enough for whoever asks now.
	enough := s.err == nil && !s.asked.IsZero() && time.Since(s.asked) < staleFactor*listFor
	s.mu.Unlock()
	if enough {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-flight:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// fresh reports whether there is nothing to ask.
func (s *source) fresh(listFor time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wrong != nil || s.known && !s.asked.IsZero() && time.Since(s.asked) < listFor
}

func (t *Toolbox) fetch(life context.Context, s *source) {
	ctx, cancel := context.WithTimeout(life, min(listLife, s.worker.Timeout))
	defer cancel()
	tools, complaints, err := s.end.list(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.flight)
	s.flight = nil
	was := s.err
	s.asked, s.err, s.known = time.Now(), err, true
	if err != nil {
		if was == nil || was.Error() != err.Error() { // or the log would say it every few seconds
			t.cfg.Log.Warn("a worker's tools cannot be listed; those that are known stay listed", "worker", s.worker.ID, "error", err)
		}
		return
	}
	if was != nil {
		t.cfg.Log.Info("a worker is there again", "worker", s.worker.ID, "tools", len(tools))
	}
	if s.generation > 0 && sameTools(s.tools, tools) {
		return
	}
	for _, complaint := range complaints {
		t.cfg.Log.Warn("a worker has a tool that is of no use", "worker", s.worker.ID, "why", complaint)
	}
	s.tools = tools
	s.generation++
}

// sameTools compares what is told of tools, not what was made of it.
func sameTools(a, b []*Tool) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || a[0] == b[0] { // read once
		return true
	}
	for i := range a {
		if string(a[i].InputSchema) != string(b[i].InputSchema) || a[i].wire != b[i].wire || !reflect.DeepEqual(a[i].Definition, b[i].Definition) {
			return false
		}
	}
	return true
}

// have gives what is known at this moment.
func (s *source) have() (tools []*Tool, generation uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong != nil {
		return nil, 0, s.wrong
	}
	if s.err == nil && !s.known {
		return nil, 0, errNoList
	}
	return s.tools, s.generation, s.err
}

var errNoList = errors.New("it has not said yet which tools it has")

// forget makes the next look ask the worker.
func (s *source) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = time.Time{}
}
