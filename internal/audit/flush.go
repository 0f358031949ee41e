package audit

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"time"

	"github.com/keybearer/keybearer"
)

// run writes until Close. While nothing happens it only waits.
func (r *Recorder) run() {
	defer close(r.ended)
	for {
		var retry <-chan time.Time
		if len(r.unwritten) > 0 {
			retry = time.After(r.cfg.FlushEvery)
		}
		select {
		case <-r.wake:
			r.pause()
		case <-retry:
		case <-r.ending:
			r.flush()
			return
		}
		r.flush()
	}
}

// pause lets more events come, up to FlushEvery after the first.
func (r *Recorder) pause() {
	timer := time.NewTimer(r.cfg.FlushEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.hurry:
	case <-r.ending:
	}
}

// flush logs what is new and gives it to the sink, together with what the sink refused before.
func (r *Recorder) flush() {
	lines := r.take()
	for _, l := range lines {
		r.log.LogAttrs(context.Background(), slog.LevelInfo, "audit", attributes(l)...)
	}
	if r.cfg.Sink == nil {
		return
	}
	r.unwritten = append(r.unwritten, lines...)
	if len(r.unwritten) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(r.life, sinkTimeout)
	defer cancel()
	if err := r.cfg.Sink.WriteEvents(ctx, each(r.unwritten)); err != nil {
		if r.failures++; r.failures == 1 { // once, not every second
			r.log.Error("the audit cannot be written; trying again until it can", "error", err, "lines", len(r.unwritten))
		}
		return
	}
	if r.failures > 0 {
		r.log.Info("the audit is written again", "failures", r.failures, "lines", len(r.unwritten))
	}
	r.unwritten, r.failures = nil, 0
}

// take empties the buffer. Lines that the sink has not taken yet count against its bound: what is
// over is dropped here, the newest first.
func (r *Recorder) take() []line {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.waiting
	r.waiting = nil
	clear(r.folded)
	if room := max(0, r.cfg.Buffer-len(r.unwritten)); len(lines) > room {
		for _, l := range lines[room:] {
			r.dropped += l.times
		}
		lines = lines[:room]
	}
	// The line about dropped events waits until there is room for what comes after it.
	if r.dropped > 0 && len(lines)+len(r.unwritten) < r.cfg.Buffer {
		lines = append(lines, line{r.droppedEvent(), 1})
		r.dropped = 0
	}
	return lines
}

func (r *Recorder) droppedEvent() keybearer.Event {
	return keybearer.Event{
		Time: r.cfg.Now(), Project: keybearer.DefaultProject, Actor: "engine", Action: ActionDropped,
		Outcome: string(keybearer.Unavailable),
		Reason:  fmt.Sprintf("%d events were not recorded: they came faster than they could be written", r.dropped),
	}
}

func each(lines []line) iter.Seq2[keybearer.Event, int64] {
	return func(yield func(keybearer.Event, int64) bool) {
		for _, l := range lines {
			if !yield(l.Event, l.times) {
				return
			}
		}
	}
}

// attributes leaves out what is empty.
func attributes(l line) []slog.Attr {
	attrs := make([]slog.Attr, 0, 10)
	for _, a := range []slog.Attr{
		slog.String("action", l.Action),
		slog.String("outcome", l.Outcome),
		slog.String("actor", l.Actor),
		slog.String("project", string(l.Project)),
		slog.String("user", string(l.User)),
		slog.String("provider", string(l.Provider)),
		slog.String("connection", string(l.Connection)),
		slog.String("flow", string(l.Flow)),
		slog.String("reason", l.Reason),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	attrs = append(attrs, slog.Time("at", l.Time))
	if l.times > 1 {
		attrs = append(attrs, slog.Int64("times", l.times))
	}
	return attrs
}
