package seal_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/keybearer/keybearer/seal"
)

func TestKeyIsAddedWhileTheRingIsInUse(t *testing.T) {
	place := seal.Place("row")
	r := ring(t, key("d1", "first data key", true))
	old, err := r.Seal([]byte("plain"), place)
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var work sync.WaitGroup
	for range 4 {
		work.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				v, err := r.Seal([]byte("plain"), place)
				if err != nil {
					t.Error(err)
				}
				for _, v := range []seal.Value{old, v} {
					if got, err := r.Open(v, place); err != nil || string(got) != "plain" {
						t.Errorf("got %q, %v", got, err)
					}
				}
			}
		})
	}
	for _, k := range []seal.Key{key("d2", "second data key", true), key("d3", "third data key", false)} {
		if err := r.Add(k); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	work.Wait()
	if got := r.Default(); got != "d2" {
		t.Errorf("the default is %q, want d2", got)
	}
	if !r.Has("d1") || !r.Has("d3") || r.Has("d4") {
		t.Errorf("the ring holds %v, want d1, d2 and d3", r.IDs())
	}
	v, err := r.Seal([]byte("plain"), place)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := v.KeyID(); err != nil || id != "d2" {
		t.Errorf("sealed with %q, %v; want d2", id, err)
	}
}

func TestKnownKeyIsNeverReplaced(t *testing.T) {
	place := seal.Place("row")
	r := ring(t, key("d1", "first data key", true), key("d2", "second data key", false))
	old, err := r.Seal([]byte("plain"), place)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(key("d1", "another text under the same id", false)); err != nil {
		t.Fatal(err)
	}
	if err := r.Add(key("d2", "second data key", true)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Open(old, place); err != nil || r.Default() != "d2" {
		t.Errorf("opening: %v, default %s; want the first text to stay, and d2 as the default", err, r.Default())
	}
	if err := r.Add(key("d3", " ", true)); err == nil || r.Default() != "d2" {
		t.Errorf("an empty key: got %v, default %s; want an error and no change", err, r.Default())
	}
}

func TestHeadIsTheBeginningOfEveryValueOfAKeyAndOfNoOther(t *testing.T) {
	r := ring(t, key("d1", "first data key", true))
	v, err := r.Seal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ring(t, key("d10", "another data key", true)).Seal(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	head := string(seal.Head("d1"))
	if got := string(v[:len(head)]); got != head {
		t.Errorf("the value begins with %q, want %q", got, head)
	}
	if string(other[:len(head)]) == head {
		t.Error("a value of d10 begins like one of d1")
	}
}

func TestOpeningAllocatesThePlainTextAndLittleElse(t *testing.T) {
	place := seal.Place("row")
	r := ring(t, key("d1", "first data key", true))
	v, err := r.Seal(make([]byte, 3000), place)
	if err != nil {
		t.Fatal(err)
	}
	got := testing.AllocsPerRun(100, func() {
		if _, err := r.Open(v, place); err != nil {
			t.Error(err)
		}
	})
	if want := 2.0; got > want {
		t.Errorf("opening allocates %v times, want at most %v", got, want)
	}
	if _, err := r.Open(v, nil); !errors.Is(err, seal.ErrNotAuthentic) {
		t.Errorf("got %v, want ErrNotAuthentic", err)
	}
}
