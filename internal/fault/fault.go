// Package fault names the points at which the chaos test makes a process die or freeze, and keeps the
// clock that it sets wrong. Only a program built with `-tags chaos` can do either, as its environment
// says; in every other build the functions here do nothing, cost nothing and cannot be switched on.
//
// What happens when, and who judges it afterwards, is the matter of the program in chaos/. It gives each
// process it starts:
//
//	KEYBEARER_CHAOS_NAME   what the process calls itself to the provider (User-Agent): "replica-1.7"
//	KEYBEARER_CHAOS_LOG    a file that gets a line for every point that is passed; see [Line]
//	KEYBEARER_CHAOS_STOP   "die@before-commit:12,freeze@after-answer:5": what to do when a point is passed
//	                       for the 12th or the 5th time. To die is SIGKILL; to freeze is SIGSTOP, and who
//	                       set it sends SIGCONT
//	KEYBEARER_CHAOS_CLOCK  "-30s": how wrong the clock is
//
// A refresh passes the points in the order of the constants. [BeforeSend] and those from [AfterAnswer] on
// are passed in the root package; [AfterSend] is passed in the [Transport] of the engine's HTTP clients, as
// soon as the last byte of a POST has been written.
package fault

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Point is a place in the course of a refresh.
type Point string

// The points, in the order of a refresh.
const (
	// BeforeSend: the lease is held and the intent is durable; nothing has been sent.
	BeforeSend Point = "before-send"
	// AfterSend: the request has left, and no answer has come.
	AfterSend Point = "after-send"
	// AfterAnswer: the answer is read; nothing has been stored.
	AfterAnswer Point = "after-answer"
	// BeforeCommit: the new grant is sealed and about to be stored.
	BeforeCommit Point = "before-commit"
	// AfterCommit: the new grant is stored; nobody has been told.
	AfterCommit Point = "after-commit"
)

// Points returns all points, in the order of a refresh.
func Points() []Point { return []Point{BeforeSend, AfterSend, AfterAnswer, BeforeCommit, AfterCommit} }

// Line is what a process notes of a point that it passed, before it does anything else there.
type Line struct {
	// Time is the machine's, not the wrong one of the process.
	Time time.Time
	// Deed is "pass", "die" or "freeze".
	Deed string
	At   Point
	// Connection is empty at AfterSend, where it is not known.
	Connection string
}

// String is the line as it stands in the log, without its end.
func (l Line) String() string {
	return fmt.Sprintf("%d %s %s %s", l.Time.UnixNano(), l.Deed, l.At, l.Connection)
}

// ParseLine reads one line of a log.
func ParseLine(text string) (Line, error) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) != 4 {
		return Line{}, fmt.Errorf("the line %q has %d parts, want 4", text, len(parts))
	}
	nano, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil {
		return Line{}, fmt.Errorf("the time of the line %q: %w", text, err)
	}
	return Line{Time: time.Unix(0, nano), Deed: parts[1], At: Point(parts[2]), Connection: parts[3]}, nil
}
