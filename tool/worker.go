package tool

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

// maxInvocation bounds what an engine may send at once.
const maxInvocation = 16 << 20

// WorkerHandler serves a kit by the worker protocol, to engines that know the secret: GET /worker/health (open), GET /worker/tools,
// POST /worker/tools/invoke. A call that its engine gives up ends. An empty secret lets nobody in. It panics for a kit that cannot be
// served: one with a wrong name, without tools, or with two of one name.
func WorkerHandler(k *Kit, shared secret.String) http.Handler {
	k.mustBeRight()
	w := &worker{kit: k, shared: shared, tools: []api.WorkerTool{}}
	for _, t := range k.Tools {
		w.tools = append(w.tools, t.wire(k))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+api.WorkerHealthPath, w.health)
	mux.HandleFunc("GET "+api.WorkerToolsPath, w.known(w.list))
	mux.HandleFunc("POST "+api.WorkerInvokePath, w.known(w.invoke))
	return mux
}

type worker struct {
	kit    *Kit
	shared secret.String
	tools  []api.WorkerTool
}

// known lets engines in that know the secret.
func (w *worker) known(next http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, req *http.Request) {
		scheme, token, _ := strings.Cut(req.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || !w.admits(strings.TrimSpace(token)) {
			refuse(rw, http.StatusUnauthorized, "Invalid token: the engine and this worker do not have the same secret")
			return
		}
		next(rw, req)
	}
}

// admits checks the token that an engine signs for each call. One without an end is taken, as by the published workers: whoever can sign it
// knows the secret.
func (w *worker) admits(token string) bool {
	if w.shared.IsZero() {
		return false
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return []byte(w.shared.Reveal()), nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithAudience(api.WorkerAudience), jwt.WithLeeway(10*time.Second))
	return err == nil && claims["ver"] == api.WorkerVersion
}

func (w *worker) health(rw http.ResponseWriter, _ *http.Request) {
	answer(rw, http.StatusOK, api.WorkerStatus{Status: "ok", ToolCount: strconv.Itoa(len(w.tools))})
}

func (w *worker) list(rw http.ResponseWriter, _ *http.Request) { answer(rw, http.StatusOK, w.tools) }

func (w *worker) invoke(rw http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, req.Body, maxInvocation))
	if err != nil {
		refuse(rw, http.StatusRequestEntityTooLarge, "the invocation is larger than 16 MiB")
		return
	}
	var in api.Invocation
	if err := json.Unmarshal(body, &in); err != nil {
		refuse(rw, http.StatusUnprocessableEntity, "the invocation cannot be read")
		return
	}
	t := w.find(in.Tool)
	if t == nil {
		refuse(rw, http.StatusNotFound, "there is no tool "+in.Tool.Toolkit+"."+in.Tool.Name+" of this version here")
		return
	}
	began := time.Now()
	out := t.invoke(req.Context(), called(&in), in.Inputs)
	answer(rw, http.StatusOK, api.InvocationResult{
		ExecutionID: in.ExecutionID, FinishedAt: time.Now().UTC().Format(time.RFC3339Nano),
		Duration: float64(time.Since(began).Microseconds()) / 1000, Success: out.Error == nil && out.RequiresAuthorization == nil, Output: out,
	})
}

// find looks a tool up, in any case. A version that is named is meant.
func (w *worker) find(named api.InvocationTool) *Tool {
	if named.Toolkit != "" && !strings.EqualFold(named.Toolkit, w.kit.Name) || named.Version != "" && named.Version != w.kit.Version {
		return nil
	}
	return w.kit.find(named.Name)
}

func (k *Kit) find(name string) *Tool {
	for _, t := range k.Tools {
		if strings.EqualFold(t.name, name) {
			return t
		}
	}
	return nil
}

// called is the call that an invocation makes.
func called(in *api.Invocation) *Call {
	c := &Call{user: in.Context.UserID, secrets: map[string]secret.String{}, metadata: map[string]string{}}
	if a := in.Context.Authorization; a != nil && a.Token != "" {
		c.lent = a
	}
	for _, s := range in.Context.Secrets {
		c.secrets[s.Key] = secret.New(s.Value)
	}
	for _, m := range in.Context.Metadata {
		c.metadata[m.Key] = m.Value
	}
	return c
}

func answer(rw http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"detail":"the answer cannot be written"}`)
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_, _ = rw.Write(text) // the engine may have gone
}

func refuse(rw http.ResponseWriter, status int, detail string) {
	answer(rw, status, map[string]string{"detail": detail})
}
