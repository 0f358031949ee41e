package workers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/api"
)

// errTooLarge is an answer beyond its bound.
var errTooLarge = errors.New("the answer is too large")

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
