package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSameSeedSamePlan(t *testing.T) {
	of := func(seed uint64) settings {
		return settings{seed: seed, database: "postgres", duration: 2 * time.Minute, leeway: time.Minute, connections: 500, life: 6 * time.Second}
	}
	compare := cmp.AllowUnexported(deed{}, fate{})
	if diff := cmp.Diff(of(1).plan(), of(1).plan(), compare); diff != "" {
		t.Errorf("the plan differs:\n%s", diff)
	}
	if diff := cmp.Diff(of(1).fate(2, 3), of(1).fate(2, 3), compare); diff != "" {
		t.Errorf("the fate differs:\n%s", diff)
	}
	if cmp.Equal(of(1).plan(), of(2).plan(), compare) || cmp.Equal(of(1).fate(2, 3), of(1).fate(2, 4), compare) {
		t.Error("another seed gives the same plan, or another process the same fate")
	}
	if n := len(of(1).plan()); n < 60 {
		t.Errorf("%d deeds in two minutes, want 60 at least", n)
	}
}

// What a provider without a leeway rotates and loses nobody can save.
func TestWithoutALeewayTheProviderLosesNoAnswer(t *testing.T) {
	s := settings{seed: 1, database: "sqlite", duration: time.Hour}
	for _, d := range s.plan() {
		if loses(d.fault.Name) {
			t.Fatalf("the plan has the fault %s", d.fault.Name)
		}
	}
}
