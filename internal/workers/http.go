package workers

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

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

func (e *httpEndpoint) close() { e.client.CloseIdleConnections() }

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

func (t *Toolbox) httpEndpoint(w *keybearer.Worker, s keybearer.WorkerSecrets) *httpEndpoint {
	return &httpEndpoint{
		id: string(w.ID), base: strings.TrimRight(w.URI, "/"), secret: s.Shared, retry: w.Retry, maxAnswer: t.cfg.MaxAnswer, client: t.client(w.Origin),
	}
}
