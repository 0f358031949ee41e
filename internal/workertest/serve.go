package workertest

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer/api"
)

func (w *Worker) bent() Fault {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fault
}

func (w *Worker) health(rw http.ResponseWriter, r *http.Request) {
	if w.wayward(rw, r) {
		return
	}
	w.mu.Lock()
	count := len(w.tools)
	w.mu.Unlock()
	answer(rw, http.StatusOK, api.WorkerStatus{Status: "ok", ToolCount: strconv.Itoa(count)})
}

func (w *Worker) list(rw http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.lists++
	w.mu.Unlock()
	if w.wayward(rw, r) || !w.authorized(rw, r) {
		return
	}
	w.mu.Lock()
	raw := w.raw
	tools := []api.WorkerTool{}
	for _, name := range w.order {
		if t, ok := w.tools[name]; ok {
			tools = append(tools, t)
		}
	}
	w.mu.Unlock()
	if raw != nil {
		rw.Header().Set("Content-Type", "application/json")
		_, _ = rw.Write(raw)
		return
	}
	answer(rw, http.StatusOK, tools)
}

// wayward does what a fault does before any work, and reports whether that was all.
func (w *Worker) wayward(rw http.ResponseWriter, r *http.Request) bool {
	switch w.bent() {
	case Slow:
		<-r.Context().Done()
	case Busy:
		answer(rw, http.StatusServiceUnavailable, map[string]string{"detail": "too busy"})
	case Moved:
		http.Redirect(rw, r, "http://"+w.address+"/elsewhere", http.StatusTemporaryRedirect)
	case Gone:
		answer(rw, http.StatusNotFound, map[string]string{"error": "no such tool"})
	default:
		return false
	}
	return true
}

// authorized checks the JWT as published workers do: HS256, audience, the claim ver, and the times.
func (w *Worker) authorized(rw http.ResponseWriter, r *http.Request) bool {
	w.mu.Lock()
	secret := w.secret
	w.mu.Unlock()
	claims := jwt.MapClaims{}
	text := r.Header.Get("Authorization")
	if len(text) > 7 {
		text = text[7:]
	}
	_, err := jwt.ParseWithClaims(text, claims, func(*jwt.Token) (any, error) { return []byte(secret), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(api.WorkerAudience), jwt.WithExpirationRequired())
	if err == nil && claims["ver"] != api.WorkerVersion {
		err = errors.New("unsupported version")
	}
	if err != nil {
		answer(rw, http.StatusUnauthorized, map[string]string{"detail": "Invalid token. Error: " + err.Error()})
		return false
	}
	return true
}

func (w *Worker) invoke(rw http.ResponseWriter, r *http.Request) {
	fault := w.bent()
	if fault == Moved || fault == Gone || fault == Busy {
		w.wayward(rw, r)
		return
	}
	if !w.authorized(rw, r) {
		return
	}
	var in api.Invocation
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		answer(rw, http.StatusUnprocessableEntity, map[string]string{"detail": err.Error()})
		return
	}
	w.mu.Lock()
	w.history = append(w.history, in)
	tool, known := w.tools[in.Tool.Name]
	run, said := w.runs[in.Tool.Name], w.said
	w.mu.Unlock()
	select {
	case w.begun <- in:
	default:
	}
	if said != nil {
		_, _ = rw.Write(said)
		return
	}
	if !known || in.Tool.Version != "" && in.Tool.Version != tool.Toolkit.Version {
		answer(rw, http.StatusInternalServerError, map[string]string{"detail": "tool not found"})
		return
	}
	if fault == Slow {
		<-r.Context().Done()
		return
	}
	begun := time.Now()
	out := run(r.Context(), in)
	result := api.InvocationResult{
		ExecutionID: in.ExecutionID, FinishedAt: time.Now().Format("2006-01-02T15:04:05.000000"), // no zone, as in Python
		Duration: float64(time.Since(begun).Microseconds()) / 1000, Success: out.Error == nil && out.RequiresAuthorization == nil, Output: out,
	}
	switch fault {
	case HangUp:
		text, _ := json.Marshal(result)
		rw.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = rw.Write(text[:len(text)/2])
		panic(http.ErrAbortHandler)
	case Garbage:
		_, _ = rw.Write([]byte("<html>it worked</html>"))
	case Broken:
		answer(rw, http.StatusInternalServerError, map[string]string{"detail": "it broke"})
	default:
		answer(rw, http.StatusOK, result)
	}
}

func answer(rw http.ResponseWriter, status int, v any) {
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(v)
}
