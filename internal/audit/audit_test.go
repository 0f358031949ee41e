package audit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/audit"
)

// sink keeps what it is given, unless err is set; while hold is set it hangs until its context ends.
type sink struct {
	mu     sync.Mutex
	lines  []string // "reason x times"
	events []keybearer.Event
	err    error
	hold   bool
	gate   chan struct{} // each write waits for it, if it is set
}

func (s *sink) WriteEvents(ctx context.Context, events iter.Seq2[keybearer.Event, int64]) error {
	if s.gate != nil {
		<-s.gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hold {
		<-ctx.Done()
		return ctx.Err()
	}
	if s.err != nil {
		return s.err
	}
	for e, times := range events {
		s.lines = append(s.lines, fmt.Sprintf("%s %s x%d", e.Action, e.Reason, times))
		s.events = append(s.events, e)
	}
	return nil
}

func (s *sink) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *sink) want(t *testing.T, lines ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(lines, s.lines); diff != "" {
		t.Errorf("got other lines than want (-want +got):\n%s", diff)
	}
}

func event(action, reason string) keybearer.Event {
	return keybearer.Event{Time: time.Now(), Project: "default", Actor: "key:ci", Action: action, User: "alice", Outcome: "ok", Reason: reason}
}

func closed(t *testing.T, r *audit.Recorder) {
	t.Helper()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWrittenAfterTheInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		r := audit.New(audit.Config{Sink: &s})
		defer closed(t, r)
		time.Sleep(10 * time.Second)
		r.Record(t.Context(), event(keybearer.ActionStart, "a"))
		time.Sleep(900 * time.Millisecond)
		synctest.Wait()
		s.want(t)
		r.Record(t.Context(), event(keybearer.ActionCallback, "b"))
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		s.want(t, "start a x1", "callback b x1")
		r.Record(t.Context(), event(keybearer.ActionStart, "c"))
		time.Sleep(time.Second)
		synctest.Wait()
		s.want(t, "start a x1", "callback b x1", "start c x1")
	})
}

func TestWrittenAtOnceWhenMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		r := audit.New(audit.Config{Sink: &s, FlushAt: 2, FlushEvery: time.Hour})
		defer closed(t, r)
		r.Record(t.Context(), event(keybearer.ActionStart, "a"))
		r.Record(t.Context(), event(keybearer.ActionStart, "b"))
		synctest.Wait()
		s.want(t, "start a x1", "start b x1")
	})
}

func TestRepeatedEventsAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		r := audit.New(audit.Config{Sink: &s, Buffer: 10})
		defer closed(t, r)
		first := time.Now()
		for range 100 { // more than the buffer has lines
			r.Record(t.Context(), event(keybearer.ActionToken, "a"))
			r.Record(t.Context(), event(keybearer.ActionKeyRefused, "b"))
			time.Sleep(time.Millisecond)
		}
		other := event(keybearer.ActionToken, "a")
		other.Actor = "key:other"
		r.Record(t.Context(), other)
		r.Record(t.Context(), event(keybearer.ActionRefresh, "c"))
		r.Record(t.Context(), event(keybearer.ActionRefresh, "c"))
		time.Sleep(time.Second)
		synctest.Wait()
		s.want(t, "token a x100", "key.refused b x100", "token a x1", "refresh c x1", "refresh c x1")
		if got := s.events[0].Time; !got.Equal(first) {
			t.Errorf("got time %v of a folded line, want that of the first event, %v", got, first)
		}
		r.Record(t.Context(), event(keybearer.ActionToken, "a")) // the next window
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.lines[len(s.lines)-1]; got != "token a x1" {
			t.Errorf("got %q in the next window, want a line of its own", got)
		}
	})
}

func TestWhatDoesNotFitIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{gate: make(chan struct{})}
		r := audit.New(audit.Config{Sink: &s, Buffer: 3, FlushAt: 3})
		defer closed(t, r)
		for i := range 3 {
			r.Record(t.Context(), event(keybearer.ActionStart, fmt.Sprint(i)))
		}
		synctest.Wait()
		for i := range 5 {
			r.Record(t.Context(), event(keybearer.ActionStart, fmt.Sprint(10+i)))
		}
		close(s.gate) // until now the sink was busy with the first three
		synctest.Wait()
		r.Record(t.Context(), event(keybearer.ActionStart, "after"))
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.want(t, "start 0 x1", "start 1 x1", "start 2 x1", "start 10 x1", "start 11 x1", "start 12 x1",
			"start after x1", "audit.dropped 2 events were not recorded: they came faster than they could be written x1")
	})
}

func TestFailingSinkIsTriedAgainAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		var log bytes.Buffer
		s.fail(errors.New("no space is left"))
		r := audit.New(audit.Config{Sink: &s, Buffer: 4, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for i := range 10 {
			r.Record(t.Context(), event(keybearer.ActionStart, fmt.Sprint(i)))
			time.Sleep(2 * time.Second)
		}
		s.fail(nil)
		time.Sleep(2 * time.Second)
		r.Record(t.Context(), event(keybearer.ActionStart, "after"))
		closed(t, r)
		s.want(t, "start 0 x1", "start 1 x1", "start 2 x1", "start 3 x1", "start after x1",
			"audit.dropped 6 events were not recorded: they came faster than they could be written x1")
		for text, want := range map[string]int{
			"cannot be written": 1, "no space is left": 1, "is written again": 1, `action=start outcome=ok`: 11, "action=audit.dropped": 1,
		} {
			if got := strings.Count(log.String(), text); got != want {
				t.Errorf("got %q %d times in the log, want %d:\n%s", text, got, want, &log)
			}
		}
	})
}

func TestCloseWritesWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		r := audit.New(audit.Config{Sink: &s, FlushEvery: time.Hour})
		r.Record(t.Context(), event(keybearer.ActionStart, "a"))
		synctest.Wait()
		r.Record(t.Context(), event(keybearer.ActionStart, "b"))
		closed(t, r)
		closed(t, r)
		s.want(t, "start a x1", "start b x1")
		r.Record(t.Context(), event(keybearer.ActionStart, "late"))
		s.want(t, "start a x1", "start b x1")
	})
}

func TestCloseDoesNotWaitForASinkThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sink{hold: true}
		r := audit.New(audit.Config{Sink: &s})
		r.Record(t.Context(), event(keybearer.ActionStart, "a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := r.Close(ctx); err == nil || !strings.Contains(err.Error(), "1 lines") {
			t.Errorf("got %v, want the lost line told", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("got %v to close, want the second that was given", took)
		}
	})
}

func TestLogAloneWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log, everyday bytes.Buffer
		at := func(w io.Writer, level slog.Level) *slog.Logger {
			return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
		}
		for w, level := range map[*bytes.Buffer]slog.Level{&log: slog.LevelDebug, &everyday: slog.LevelInfo} {
			r := audit.New(audit.Config{Log: at(w, level)})
			for range 3 {
				r.Record(t.Context(), event(keybearer.ActionToken, ""))
			}
			closed(t, r)
		}
		if everyday.Len() > 0 {
			t.Errorf("got %s, want handing out a token to be told at Debug", &everyday)
		}
		for _, part := range []string{`"msg":"audit"`, `"action":"token"`, `"actor":"key:ci"`, `"user":"alice"`, `"outcome":"ok"`, `"times":3`} {
			if !strings.Contains(log.String(), part) {
				t.Errorf("got %s, want it to have %s", &log, part)
			}
		}
		if strings.Contains(log.String(), "reason") {
			t.Errorf("got %s, want empty fields left out", &log)
		}
	})
}

func TestLogAloneTellsWhatDidNotFit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := audit.New(audit.Config{Buffer: 2, Log: slog.New(slog.NewTextHandler(&log, nil))})
		for i := range 5 {
			r.Record(t.Context(), event(keybearer.ActionStart, fmt.Sprint(i)))
		}
		closed(t, r)
		if !strings.Contains(log.String(), "3 events were not recorded") {
			t.Errorf("got %s, want it to tell the three that did not fit", &log)
		}
	})
}

func TestTextsAreBoundedAndCleaned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct{ name, in, want string }{
			{"plain", "it said “no” – ünïcode 日本", "it said “no” – ünïcode 日本"},
			{"control", "a\nb\r\n\x1b[31mc\x00\u202ed\u2028", "a b   [31mc  d "},
			{"invalid", "a\xffb", "a\uFFFDb"},
			{"at the bound", strings.Repeat("x", 500), strings.Repeat("x", 500)},
			{"long", strings.Repeat("x", 501), strings.Repeat("x", 497) + "…"},
			{"cut between characters", "x" + strings.Repeat("ü", 400), "x" + strings.Repeat("ü", 248) + "…"},
		} {
			var s sink
			r := audit.New(audit.Config{Sink: &s})
			e := event(keybearer.ActionStart, c.in)
			e.Actor, e.User = c.in, keybearer.UserID(c.in)
			r.Record(t.Context(), e)
			closed(t, r)
			for _, got := range []string{s.events[0].Reason, s.events[0].Actor, string(s.events[0].User)} {
				if got != c.want || !utf8.ValidString(got) || len(got) > 500 {
					t.Errorf("%s: got %q, want %q", c.name, got, c.want)
				}
			}
		}
	})
}

func FuzzTexts(f *testing.F) {
	f.Add("plain")
	f.Add("a\nb\x1b[31m\u202e\xff" + strings.Repeat("日", 200))
	f.Fuzz(func(t *testing.T, in string) {
		var s sink
		r := audit.New(audit.Config{Sink: &s})
		r.Record(t.Context(), event(keybearer.ActionStart, in))
		closed(t, r)
		got := s.events[0].Reason
		if len(got) > 500 || !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) {
			t.Errorf("got %q of %q", got, in)
		}
	})
}

func TestManyCallersAtOnce(t *testing.T) {
	var s sink
	r := audit.New(audit.Config{Sink: &s, FlushAt: 10, FlushEvery: time.Millisecond})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			for range 100 {
				r.Record(t.Context(), event(keybearer.ActionToken, ""))
			}
		})
	}
	wait.Wait()
	closed(t, r)
	total := 0
	for _, l := range s.lines {
		var n int
		if _, err := fmt.Sscanf(l, "token  x%d", &n); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		total += n
	}
	if total != 2000 {
		t.Errorf("got %d events, want 2000", total)
	}
}

func BenchmarkRecord(b *testing.B) {
	r := audit.New(audit.Config{})
	e := event(keybearer.ActionToken, "")
	b.ReportAllocs()
	for b.Loop() {
		r.Record(b.Context(), e)
	}
	if err := r.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
