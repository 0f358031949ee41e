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

// flush logs what is new and gives it to the sink, together with what the sink refused before. Lines
// that the sink has not taken count against the bound of the buffer: what is over goes to the log only.
func (r *Recorder) flush() {
	lines := r.take()
	for _, l := range lines {
		r.write(l)
	}
	if r.cfg.Sink == nil {
		if r.left > 0 {
			r.write(line{r.droppedEvent(), 1})
			r.left = 0
		}
		return
	}
	room := r.cfg.Buffer - len(r.unwritten)
	for _, l := range lines[min(room, len(lines)):] {
		r.left += l.times
	}
	r.unwritten = append(r.unwritten, lines[:min(room, len(lines))]...)
	// The line about what was left out waits until there is room, so that it tells the whole of it.
	if r.left > 0 && len(r.unwritten) < r.cfg.Buffer {
		l := line{r.droppedEvent(), 1}
		r.write(l)
		r.unwritten, r.left = append(r.unwritten, l), 0
	}
	if len(r.unwritten) > 0 {
		r.give()
	}
}

// take empties the buffer.
func (r *Recorder) take() []line {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := r.waiting
	r.waiting = nil
	clear(r.folded)
	r.left += r.dropped
	r.dropped = 0
	return lines
}

// write tells the log. That a token was handed out is the everyday case: it is told at Debug.
func (r *Recorder) write(l line) {
	level := slog.LevelInfo
	if l.Action == keybearer.ActionToken && l.Outcome == "ok" {
		level = slog.LevelDebug
	}
	if r.log.Enabled(r.life, level) {
		r.log.LogAttrs(r.life, level, "audit", attributes(l)...)
	}
}

// give hands the sink what it has not taken yet.
func (r *Recorder) give() {
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

func (r *Recorder) droppedEvent() keybearer.Event {
	return keybearer.Event{
		Time: r.cfg.Now(), Project: keybearer.DefaultProject, Actor: "engine", Action: ActionDropped,
		Outcome: string(keybearer.Unavailable),
		Reason:  fmt.Sprintf("%d events were not recorded: they came faster than they could be written", r.left),
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
		slog.String("run", l.Request.Run),
		slog.String("method", l.Request.Method),
		slog.String("host", l.Request.Host),
		slog.String("path", l.Request.Path),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	attrs = append(attrs, slog.Time("at", l.Time))
	if l.Request != (keybearer.RequestTrace{}) {
		attrs = append(attrs, slog.Int64("status", l.Request.Status), slog.Int64("sent", l.Request.Sent), slog.Int64("received", l.Request.Received))
	}
	if l.times > 1 {
		attrs = append(attrs, slog.Int64("times", l.times))
	}
	return attrs
}
