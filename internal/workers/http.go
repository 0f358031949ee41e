package workers

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

const (
	maxList     = 32 << 20
	maxComplain = 4 << 10 // of an answer that is no answer
	tokenLife   = time.Minute
	retryPause  = 100 * time.Millisecond
	maxPause    = 2 * time.Second
)

// httpEndpoint is a worker of the worker protocol.
type httpEndpoint struct {
	id        string
	base      string
	secret    secret.String
	retry     int
	maxAnswer int64
	client    *http.Client

	mu         sync.Mutex // of the last list
	digest     [sha256.Size]byte
	tools      []*Tool
	complaints []string
}

// token is what the worker knows the engine by. It has no iat: published workers compare it with their own
// clock, to the second.
func (e *httpEndpoint) token() (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"aud": api.WorkerAudience, "ver": api.WorkerVersion, "exp": time.Now().Add(tokenLife).Unix(),
	}).SignedString([]byte(e.secret.Reveal()))
}

// answer is what came of a request.
type answer struct {
	status int
	body   []byte
}

// traced tells by a request's context whether it got a connection. The transport tries another one by itself where
// nothing was written to the first, as to one that the worker has closed meanwhile.
func traced(ctx context.Context) (context.Context, *atomic.Bool) {
	connected := &atomic.Bool{}
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}), connected
}

// errTooLarge is an answer beyond its bound.
var errTooLarge = errors.New("the answer is too large")

// send makes one request. Sent reports whether anything of it can have reached the worker.
func (e *httpEndpoint) send(ctx context.Context, method, path string, body []byte, limit int64) (a answer, sent bool, err error) {
	ctx, connected := traced(ctx)
	request, err := http.NewRequestWithContext(ctx, method, e.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, false, err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if path != api.WorkerHealthPath && !e.secret.IsZero() { // a worker of the file may have none
		token, err := e.token()
		if err != nil {
			return answer{}, false, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := e.client.Do(request)
	if err != nil {
		return answer{}, connected.Load(), err
	}
	defer response.Body.Close()
	a.status = response.StatusCode
	if a.status != http.StatusOK {
		limit = min(limit, maxComplain)
	}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	if err == nil && int64(len(a.body)) > limit {
		if a.status != http.StatusOK {
			a.body = a.body[:limit]
			return a, true, nil
		}
		err = errTooLarge
	}
	return a, true, err
}

// again waits before another try, or says that there is none.
func again(ctx context.Context, try, retry int) bool {
	if try >= retry {
		return false
	}
	pause := time.NewTimer(min(retryPause<<try, maxPause))
	defer pause.Stop()
	select {
	case <-pause.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (e *httpEndpoint) list(ctx context.Context) ([]*Tool, []string, error) {
	for try := 0; ; try++ {
		a, _, err := e.send(ctx, http.MethodGet, api.WorkerToolsPath, nil, maxList)
		switch {
		case err == nil && a.status == http.StatusOK:
			return e.read(a.body)
		case err == nil && a.status < http.StatusInternalServerError:
			return nil, nil, e.complaint(a)
		case again(ctx, try, e.retry): // reading changes nothing, so it can be repeated
		case err == nil:
			return nil, nil, e.complaint(a)
		default:
			return nil, nil, e.unreachable(err)
		}
	}
}

// read reads a list, unless it is the same as the last time: a worker may have thousands of tools, and is asked
// every few seconds.
func (e *httpEndpoint) read(body []byte) ([]*Tool, []string, error) {
	digest := sha256.Sum256(body)
	e.mu.Lock()
	defer e.mu.Unlock()
	if digest == e.digest {
		return e.tools, e.complaints, nil
	}
	tools, complaints, err := readTools(e.id, body)
	if err == nil {
		e.digest, e.tools, e.complaints = digest, tools, complaints
	}
	return tools, complaints, err
}

func (e *httpEndpoint) health(ctx context.Context) (api.WorkerServerInfo, error) {
	a, _, err := e.send(ctx, http.MethodGet, api.WorkerHealthPath, nil, maxComplain)
	switch {
	case err != nil:
		return api.WorkerServerInfo{}, e.unreachable(err)
	case a.status != http.StatusOK:
		return api.WorkerServerInfo{}, e.complaint(a)
	case e.secret.IsZero():
		return api.WorkerServerInfo{Name: e.id}, nil
	}
	// Health needs no secret, the list does: a worker that does not know ours is not well.
	a, _, err = e.send(ctx, http.MethodGet, api.WorkerToolsPath, nil, maxList)
	switch {
	case err != nil:
		return api.WorkerServerInfo{}, e.unreachable(err)
	case a.status != http.StatusOK:
		return api.WorkerServerInfo{}, e.complaint(a)
	}
	return api.WorkerServerInfo{Name: e.id}, nil
}

func (e *httpEndpoint) close() {} // connections are the client's, which others use, too

func (e *httpEndpoint) invoke(ctx context.Context, _ *Tool, in api.Invocation, _ progressFunc) (api.InvocationResult, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return api.InvocationResult{}, &trouble{kind: api.ToolBadInput, message: "the input is no JSON", unsent: true, cause: err}
	}
	for try := 0; ; try++ {
		a, sent, err := e.send(ctx, http.MethodPost, api.WorkerInvokePath, body, e.maxAnswer)
		switch {
		case err == nil && a.status == http.StatusOK:
			return readResult(e.id, a.body)
		case err == nil:
			return api.InvocationResult{}, e.refused(a)
		case errors.Is(err, errTooLarge):
			return api.InvocationResult{}, &trouble{
				kind: api.ToolBadOutput, message: fmt.Sprintf("the tool's answer has more than %d bytes, which is too much: ask it for less", e.maxAnswer), cause: err,
			}
		case sent || ctx.Err() != nil:
			t := troubleOf(e.id, err)
			t.unsent = t.unsent || !sent
			return api.InvocationResult{}, t
		case !again(ctx, try, e.retry):
			return api.InvocationResult{}, e.unreachable(err)
		}
	}
}

// unreachable is a worker to whom nothing could be sent.
func (e *httpEndpoint) unreachable(err error) *trouble {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return &trouble{kind: api.ToolNetworkTimeout, message: fmt.Sprintf("worker %s did not answer in time", e.id), cause: err}
	}
	return &trouble{
		kind: api.ToolNetworkUnreachable, message: fmt.Sprintf("worker %s cannot be reached: see that it runs, and that its address is right", e.id),
		detail: cleaned(err.Error()), unsent: true, cause: err,
	}
}

// complaint is an answer about something else than a call.
func (e *httpEndpoint) complaint(a answer) error {
	switch a.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("worker %s does not accept the engine's secret: give both sides the same one", e.id)
	case http.StatusNotFound:
		return fmt.Errorf("worker %s has no %s at that address: its uri is the base, without /worker", e.id, api.WorkerToolsPath)
	}
	return fmt.Errorf("worker %s answered with status %d: %s", e.id, a.status, said(a.body))
}

// refused is an answer to a call that is none of a tool.
func (e *httpEndpoint) refused(a answer) *trouble {
	t := &trouble{kind: api.ToolFatal, status: a.status, detail: said(a.body), stale: true}
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden:
		t.message, t.unsent, t.stale = fmt.Sprintf("worker %s does not accept the engine's secret: an operator has to give both sides the same one", e.id), true, false
		t.detail = ""
	case a.status == http.StatusNotFound:
		t.message, t.unsent = fmt.Sprintf("worker %s does not have the tool any more: list the tools again", e.id), true
	case a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable:
		t.kind, t.message, t.stale = api.ToolNetworkUnmapped, fmt.Sprintf("worker %s is busy (status %d)", e.id, a.status), false
	default:
		t.message = fmt.Sprintf("worker %s answered with status %d; the tool may have run all the same", e.id, a.status)
	}
	return t
}

// said is what a worker says of a failure, as far as it can be read.
func said(body []byte) string {
	var known struct {
		Detail  json.RawMessage `json:"detail"`
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &known) == nil {
		for _, part := range []json.RawMessage{known.Message, known.Error, known.Detail} {
			var text string
			if json.Unmarshal(part, &text) == nil && text != "" {
				return cleaned(text)
			}
		}
	}
	return cleaned(strings.ToValidUTF8(string(body), ""))
}

// readResult reads a worker's answer to a call.
func readResult(worker string, body []byte) (api.InvocationResult, error) {
	var r api.InvocationResult
	if err := json.Unmarshal(body, &r); err != nil {
		return api.InvocationResult{}, &trouble{
			kind: api.ToolBadOutput, message: fmt.Sprintf("the answer of worker %s cannot be understood; the tool may have run all the same", worker),
			detail: cleaned(err.Error()), cause: err,
		}
	}
	if string(r.Output.Value) == "null" {
		r.Output.Value = nil
	}
	if e := r.Output.Error; e != nil {
		r.Success = false
		if e.Kind == "" {
			e.Kind = api.ToolUnknown
		}
		if e.Message == "" {
			e.Message = "the tool failed, and does not say why"
		}
	} else if !r.Success && r.Output.RequiresAuthorization == nil {
		r.Output.Error = &api.ToolError{Kind: api.ToolUnknown, Message: "the tool failed, and does not say why"}
	}
	return r, nil
}

func (t *Toolbox) httpEndpoint(w *keybearer.Worker, s keybearer.WorkerSecrets) *httpEndpoint {
	client := *t.cfg.HTTP(w.Origin)
	client.Timeout = 0 // the worker's own holds
	// A worker has no reason to send the engine elsewhere, with users' tokens.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &httpEndpoint{
		id: string(w.ID), base: strings.TrimRight(w.URI, "/"), secret: s.Shared, retry: w.Retry, maxAnswer: t.cfg.MaxAnswer, client: &client,
	}
}
