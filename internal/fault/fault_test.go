package fault_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/keybearer/keybearer/internal/fault"
)

func TestLineIsReadAsItWasWritten(t *testing.T) {
	want := fault.Line{Time: time.Unix(1, 2), Deed: "die", At: fault.AfterSend}
	got, err := fault.ParseLine(want.String())
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "1 die before-send", "now die before-send conn_1"} {
		if got, err := fault.ParseLine(text); err == nil {
			t.Errorf("%q was read as %+v", text, got)
		}
	}
}

// The build that is shipped, and tested here, does not look at the environment.
func TestWithoutTheTagNothingCanBeSwitchedOn(t *testing.T) {
	t.Setenv("KEYBEARER_CHAOS_STOP", "die@before-send:1")
	t.Setenv("KEYBEARER_CHAOS_CLOCK", "1h")
	fault.At(fault.BeforeSend, "conn_1")
	synctest.Test(t, func(t *testing.T) {
		if got, want := fault.Now(), time.Now(); !got.Equal(want) {
			t.Errorf("the time is %s, want %s", got, want)
		}
	})
	if got := fault.Transport(http.DefaultTransport); got != http.DefaultTransport {
		t.Errorf("the transport is %T, want the one that was given", got)
	}
}
