package ledger_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

func TestBookForgetsTheOldest(t *testing.T) {
	book := ledger.NewBook[int](3)
	for i := range 100 {
		book.Put(strconv.Itoa(i), i)
		if i%7 == 0 {
			book.Take(strconv.Itoa(i))
		}
	}
	count := 0
	book.Each(func(string, int) { count++ })
	if count != 3 {
		t.Errorf("got %d entries, want 3", count)
	}
	if v, ok := book.Get("99"); !ok || v != 99 {
		t.Errorf("the newest: got %d, %t", v, ok)
	}
	if _, ok := book.Get("3"); ok {
		t.Error("an old entry is still there")
	}
}

func TestFamiliesBeforeTheFirstOne(t *testing.T) {
	f := &ledger.Families{}
	if _, _, got := f.Present("token", "app", time.Time{}); got != ledger.Unknown {
		t.Errorf("got %s, want unknown", got)
	}
	if killed := f.Kill("why", func(*ledger.Family) bool { return true }); killed != nil || f.Family("family-1") != nil {
		t.Errorf("got %v killed", killed)
	}
}

func TestKillNamesTheFamilies(t *testing.T) {
	minted := 0
	f := &ledger.Families{Rotate: true, Mint: func() string { minted++; return strconv.Itoa(minted) }}
	now := time.Unix(0, 0)
	f.Start("app", "alice", nil, now)
	_, token := f.Start("app", "bob", nil, now)
	killed := f.Kill("tested", func(family *ledger.Family) bool { return family.User == "bob" })
	if len(killed) != 1 || killed[0] != "family-2" || f.Family("family-2").Dead != "tested" {
		t.Errorf("got %v", killed)
	}
	if _, _, got := f.Present(token, "app", now); got != ledger.Dead {
		t.Errorf("got %s, want dead", got)
	}
}
