package workertest

// Fault is what a worker does in place of its work.
type Fault string

// The faults. A worker that is away is none of them; see [Worker.Down].
const (
	Sound   Fault = ""
	Slow    Fault = "slow"    // answers nothing until the client has gone
	HangUp  Fault = "hang up" // runs the tool, begins to answer, and breaks the connection
	Garbage Fault = "garbage" // runs the tool and answers with what is no JSON
	Broken  Fault = "broken"  // runs the tool and answers 500
	Busy    Fault = "busy"    // answers 503
	Moved   Fault = "moved"   // sends the client elsewhere
	Gone    Fault = "gone"    // answers 404, as for a tool that is not there any more
)
