// Package audit writes down who did what with which connection, without making anybody wait for it.
//
// It owns the way of an event from the Broker to a sink (the database) and to the log: a bounded
// buffer, one goroutine, folding of what repeats, and an honest line about what had to be left out.
// What is recorded is the root package's business, how long it is kept the sink's. Events have no
// field for a secret; their texts are bounded and cleaned here, because parts of them come from outside.
package audit

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// ActionDropped is the action of the line that says how many events were not recorded.
const ActionDropped = "audit.dropped"

// Sink keeps events, each with how often it happened. A batch is written whole or not at all.
type Sink interface {
	WriteEvents(ctx context.Context, events iter.Seq2[keybearer.Event, int64]) error
}

// Config says where events go. Zero fields mean what their comments say.
type Config struct {
	// Sink keeps the events; nil means that they only go to the log.
	Sink Sink
	// Log gets every line at level Info (tokens that were handed out: Debug), and failures of the sink
	// at level Error; nil means no log.
	Log *slog.Logger
	// Buffer is how many lines may wait to be written; 0 means 16384. Beyond it events are counted only.
	Buffer int
	// FlushAt is how many waiting lines are written at once without waiting longer; 0 means 4096.
	FlushAt int
	// FlushEvery is how long a line waits at most; 0 means a second. Within this time repeated
	// events become one line with a count.
	FlushEvery time.Duration
	// Now is the clock of the lines that the Recorder writes itself; nil means time.Now.
	Now func() time.Time
}

const (
	defaultBuffer     = 16384
	defaultFlushAt    = 4096
	defaultFlushEvery = time.Second
	// sinkTimeout bounds one write: a sink that hangs must not hang Close.
	sinkTimeout = 10 * time.Second
)

// Recorder is a [keybearer.Recorder] that never blocks its callers on a sink. Close it after use.
type Recorder struct {
	cfg  Config
	log  *slog.Logger
	life context.Context // of the writes; ends when Close may wait no longer
	kill context.CancelFunc

	wake   chan struct{} // the buffer is not empty any more
	hurry  chan struct{} // FlushAt lines wait
	ending chan struct{}
	ended  chan struct{}

	mu      sync.Mutex
	waiting []line
	folded  map[keybearer.Event]int // an event that may repeat, without its time -> its index in waiting
	dropped int64
	closed  bool

	// Of the goroutine alone.
	unwritten []line // were taken from waiting, and are in the log already
	left      int64  // events that were left out since the last line about it
	failures  int
}

// line is an event and how often it happened.
type line struct {
	keybearer.Event
	times int64
}

var _ keybearer.Recorder = (*Recorder)(nil)

// New starts a Recorder.
func New(cfg Config) *Recorder {
	if cfg.Buffer <= 0 {
		cfg.Buffer = defaultBuffer
	}
	if cfg.FlushAt <= 0 {
		cfg.FlushAt = min(defaultFlushAt, cfg.Buffer)
	}
	if cfg.FlushEvery <= 0 {
		cfg.FlushEvery = defaultFlushEvery
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	r := &Recorder{
		cfg: cfg, log: cfg.Log,
		wake: make(chan struct{}, 1), hurry: make(chan struct{}, 1),
		ending: make(chan struct{}), ended: make(chan struct{}),
		folded: make(map[keybearer.Event]int),
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	r.life, r.kill = context.WithCancel(context.Background())
	go r.run()
	return r
}

// Record takes an event. It does not block and cannot fail; its context is not used, since an event
// has happened whether or not its caller still waits.
func (r *Recorder) Record(_ context.Context, e keybearer.Event) {
	e = clean(e)
	r.mu.Lock()
	defer r.mu.Unlock()
	key := e
	key.Time = time.Time{}
	if i, ok := r.folded[key]; ok {
		r.waiting[i].times++
		return
	}
	if r.closed || len(r.waiting) >= r.cfg.Buffer {
		r.dropped++
		return
	}
	r.waiting = append(r.waiting, line{e, 1})
	if repeats(e) {
		r.folded[key] = len(r.waiting) - 1
	}
	signal(r.wake)
	if len(r.waiting) >= r.cfg.FlushAt {
		signal(r.hurry)
	}
}

// repeats reports whether many such events say no more than one with a count: an agent may ask for a
// token with every call it makes, and a stranger may knock as often as he likes.
func repeats(e keybearer.Event) bool {
	return e.Action == keybearer.ActionToken || e.Action == keybearer.ActionKeyRefused
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Close writes what waits and stops the goroutine. Events that come later are not recorded. If ctx
// ends first, Close gives up the write and says how many lines are lost. It may be called again.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.ending)
	}
	r.mu.Unlock()
	select {
	case <-r.ended:
	case <-ctx.Done():
		r.kill()
		<-r.ended
	}
	r.kill()
	if lost := len(r.unwritten); lost > 0 {
		return fmt.Errorf("writing the audit: %d lines could not be written; they are in the log", lost)
	}
	return nil
}
