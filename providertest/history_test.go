package providertest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

func TestAwaitCallsCountsEveryCallOnce(t *testing.T) {
	b := start(t, providertest.Config{})
	history := b.server.History()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- history.AwaitCalls(ctx, providertest.Discovery, 5) }()
	for range 4 {
		b.probe(providertest.Discovery)
	}
	ended, end := context.WithCancel(ctx)
	end()
	if err := history.AwaitCalls(ended, providertest.Discovery, 5); !errors.Is(err, context.Canceled) {
		t.Errorf("four of five calls: got %v, want that the wait was cancelled", err)
	}
	select {
	case err := <-done:
		t.Fatalf("four of five calls were enough: %v", err)
	default:
	}
	b.probe(providertest.Discovery)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestHistoryIsBoundedAndSaysSo(t *testing.T) {
	server := providertest.New(providertest.Config{})
	req := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	for range 20_001 {
		server.ServeHTTP(httptest.NewRecorder(), req)
	}
	history := server.History()
	if got := history.Dropped(); got != 2_000 {
		t.Errorf("dropped: got %d, want 2000", got)
	}
	last, _ := history.Last(providertest.Userinfo)
	if got := len(history.All()); got != 18_001 || last.N != 20_001 || last.Status != http.StatusUnauthorized {
		t.Errorf("got %d records, the last is %+v", got, last)
	}
	history.Clear()
	if history.Dropped() != 0 || len(history.All()) != 0 {
		t.Error("clearing left something behind")
	}
}

func TestClearWhileARequestIsHeld(t *testing.T) {
	b := start(t, providertest.Config{})
	b.server.Inject(providertest.Fault{Endpoint: providertest.Discovery, Name: "hold", Times: 1})
	answered := make(chan reply)
	go func() { answered <- b.probe(providertest.Discovery) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	history := b.server.History()
	if err := history.AwaitCalls(ctx, providertest.Discovery, 1); err != nil {
		t.Fatal(err)
	}
	history.Clear()
	b.probe(providertest.Userinfo)
	first := history.All()[0]
	b.server.Release()
	<-answered
	if got := history.All()[0]; got.Endpoint != first.Endpoint || got.Outcome != first.Outcome {
		t.Errorf("an answer of before the clearing was written over %+v: %+v", first, got)
	}
}
