package providertest

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Control returns the control API of a bench, for testers that are not in the
// same process. Paths start with /control/. It has no authentication: serve it
// on loopback only, and not on the address that a tested browser is sent to
// unless that is loopback as well. Requests that a web page of another origin
// could send are refused.
func (b *Bench) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/clock", func(w http.ResponseWriter, _ *http.Request) { b.tell(w) })
	mux.HandleFunc("POST /control/clock", Command(func(in struct {
		Advance string `json:"advance"`
	},
	) (any, error) {
		d, err := time.ParseDuration(in.Advance)
		if err != nil {
			return nil, err
		}
		b.Advance(d)
		return map[string]time.Time{"now": b.Now()}, nil
	}))
	mux.HandleFunc("GET /control/decision", func(w http.ResponseWriter, _ *http.Request) { Reply(w, http.StatusOK, b.Decision()) })
	mux.HandleFunc("POST /control/decision", Command(func(in Decision) (any, error) {
		if err := in.check(); err != nil {
			return nil, err
		}
		b.Decide(in)
		return in, nil
	}))
	mux.HandleFunc("GET /control/faults", func(w http.ResponseWriter, _ *http.Request) { Reply(w, http.StatusOK, b.Faults()) })
	mux.HandleFunc("GET /control/faults/kinds", func(w http.ResponseWriter, _ *http.Request) { Reply(w, http.StatusOK, FaultKinds()) })
	mux.HandleFunc("POST /control/faults", Command(func(in Fault) (any, error) {
		if err := b.faults.add(in); err != nil {
			return nil, err
		}
		return b.Faults(), nil
	}))
	mux.HandleFunc("DELETE /control/faults", func(w http.ResponseWriter, r *http.Request) {
		if at := r.URL.Query().Get("endpoint"); at != "" {
			b.Heal(Endpoint(at))
		} else {
			b.Heal()
		}
		Reply(w, http.StatusOK, b.Faults())
	})
	mux.HandleFunc("POST /control/release", Command(func(struct{}) (any, error) {
		b.Release()
		return b.Faults(), nil
	}))
	mux.HandleFunc("GET /control/history", func(w http.ResponseWriter, r *http.Request) { b.tellHistory(w, r) })
	mux.HandleFunc("DELETE /control/history", func(w http.ResponseWriter, _ *http.Request) {
		b.history.Clear()
		Reply(w, http.StatusOK, b.summary())
	})
	return SameOrigin(mux)
}

// SameOrigin refuses what a page of another origin makes a browser send. Every
// control handler goes through it.
func SameOrigin(h http.Handler) http.Handler {
	return http.NewCrossOriginProtection().Handler(h)
}

// Command makes a handler of a function that takes a JSON object. Its errors
// are the caller's: 400.
func Command[In any](do func(In) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil && err != io.EOF {
			Reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		out, err := do(in)
		if err != nil {
			Reply(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
			return
		}
		Reply(w, http.StatusOK, out)
	}
}

// Reply writes v as JSON.
func Reply(w http.ResponseWriter, status int, v any) { JSON(status, v).write(w) }

func (b *Bench) tell(w http.ResponseWriter) {
	Reply(w, http.StatusOK, map[string]time.Time{"now": b.Now()})
}

func (b *Bench) tellHistory(w http.ResponseWriter, r *http.Request) {
	records := b.history.All()
	if at := r.URL.Query().Get("endpoint"); at != "" {
		records = b.history.At(Endpoint(at))
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("last")); err == nil && n >= 0 && n < len(records) {
		records = records[len(records)-n:]
	}
	Reply(w, http.StatusOK, map[string]any{"summary": b.summary(), "records": records})
}

// summary is what most testers want to know.
func (b *Bench) summary() map[string]int {
	h := b.history
	return map[string]int{
		"token_requests": h.Calls(Token), "redeemed": h.Redeemed(), "rotations": h.Rotations(""),
		"refreshes": h.Refreshes(), "reuses": h.Reuses(), "code_reuses": h.CodeReuses(), "dropped": h.Dropped(),
	}
}
