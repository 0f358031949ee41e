package proxy_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/proxy"
)

// unknown is a lab whose route serves another host than the upstream.
func unknown(t *testing.T, setup func(*lab, *proxy.Config)) *lab {
	t.Helper()
	return newLab(t, echo, func(l *lab, cfg *proxy.Config) {
		r := l.hooli()
		r.API.Hosts = []string{"elsewhere.example.com"}
		l.store.put(r, canary)
		setup(l, cfg)
	})
}

// News come once: a request that meets with somebody else who has them, and has not read them yet, waits.
func TestNewsThatAreBeingReadAreWaitedFor(t *testing.T) {
	heard, read, asking := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var asked, listening atomic.Int32
	l := unknown(t, func(_ *lab, cfg *proxy.Config) {
		cfg.Now = func() time.Time { // a request that has found nothing looks at the time first
			if listening.CompareAndSwap(1, 2) {
				close(asking)
			}
			return time.Now()
		}
		cfg.Refresh = func(context.Context) (bool, error) {
			if asked.Add(1) > 1 {
				return false, nil
			}
			close(heard)
			<-read
			return true, nil
		}
	})
	l.store.put(l.hooli(), "new-credential")
	looked := make(chan error, 1)
	go func() { looked <- l.proxy.Look(t.Context()) }()
	<-heard
	listening.Store(1)
	go func() {
		<-asking
		close(read)
	}()
	if got := l.get("/").text; got != "Bearer new-credential||" {
		t.Errorf("got %q, want the new connection's credential", got)
	}
	if err := <-looked; err != nil {
		t.Errorf("looking: %v", err)
	}
}

// shaky is a store whose routes cannot be read at first.
type shaky struct {
	*store
	away atomic.Bool
}

func (s *shaky) Routes(ctx context.Context) ([]keybearer.Route, error) {
	if s.away.Load() {
		return nil, errors.New("the store is away")
	}
	return s.store.Routes(ctx)
}

func TestNewsThatCouldNotBeReadAreReadLater(t *testing.T) {
	var source *shaky
	var news atomic.Bool
	l := unknown(t, func(l *lab, cfg *proxy.Config) {
		source = &shaky{store: l.store}
		cfg.Source = source
		cfg.Refresh = func(context.Context) (bool, error) { return news.Swap(false), nil }
	})
	l.store.put(l.hooli(), "new-credential")
	news.Store(true)
	source.away.Store(true)
	if err := l.proxy.Look(t.Context()); err == nil {
		t.Error("the store is away, and that was not told")
	}
	source.away.Store(false)
	if err := l.proxy.Look(t.Context()); err != nil {
		t.Errorf("looking again: %v", err)
	}
	if got := l.get("/").text; got != "Bearer new-credential||" {
		t.Errorf("got %q, want the new connection's credential", got)
	}
}
