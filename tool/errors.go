package tool

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/api"
)

// Error is how a tool fails, for the model that called it and for developers.
type Error struct {
	// Kind is one of the api.Tool… constants; "" means api.ToolFatal.
	Kind string
	// Message is for the model, and for people: what happened, and what to do next.
	Message string
	// DeveloperMessage is kept from the model.
	DeveloperMessage string
	// Prompt is what the model should know for its next try.
	Prompt string
	// CanRetry says that nothing was done, and the same call may succeed.
	CanRetry bool
	// RetryAfter is when, or 0.
	RetryAfter time.Duration
	// StatusCode is the HTTP status of the service behind the tool, or 0.
	StatusCode int
}

func (e *Error) Error() string { return cmp.Or(e.Message, e.Kind, api.ToolFatal) }

// BadInput is the error of arguments that cannot be right. The model may try again with better ones.
func BadInput(format string, args ...any) *Error {
	return &Error{Kind: api.ToolBadInput, Message: fmt.Sprintf(format, args...), CanRetry: true}
}

// Retry is the error of a call that may succeed with what prompt says. Nothing was done.
func Retry(prompt, format string, args ...any) *Error {
	return &Error{Kind: api.ToolRetry, Message: fmt.Sprintf(format, args...), Prompt: prompt, CanRetry: true}
}

// Fatal is the error of a call that no other try will help.
func Fatal(format string, args ...any) *Error {
	return &Error{Kind: api.ToolFatal, Message: fmt.Sprintf(format, args...)}
}

// Upstream is the error of an answer of the service behind the tool, or nil for one that is no failure (below 400). The body is
// the caller's to close; it is not read.
func Upstream(res *http.Response) error {
	if res.StatusCode < 400 {
		return nil
	}
	e := &Error{StatusCode: res.StatusCode, Message: fmt.Sprintf("the service answered %d %s", res.StatusCode, http.StatusText(res.StatusCode))}
	switch res.StatusCode {
	case http.StatusUnauthorized:
		e.Kind, e.CanRetry = api.ToolUpstreamAuth, true // what was refused was not done
		e.Message += ": it does not accept the user's authorization"
	case http.StatusForbidden:
		e.Kind = api.ToolUpstreamBadRequest // not AUTH_ERROR, for which an engine renews a token that is good
		e.Message += ": the user may not do this, or the authorization lacks a scope"
	case http.StatusNotFound:
		e.Kind = api.ToolUpstreamNotFound
	case http.StatusUnprocessableEntity:
		e.Kind = api.ToolUpstreamValidation
	case http.StatusTooManyRequests:
		e.Kind, e.CanRetry = api.ToolUpstreamRateLimit, true
		if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			e.RetryAfter = time.Duration(min(seconds, 3600)) * time.Second
		}
	default:
		e.Kind = api.ToolUpstreamBadRequest
		if res.StatusCode >= 500 {
			e.Kind = api.ToolUpstreamServerError
		}
	}
	return e
}

// NeedMore is the error of a tool that finds in the middle that it needs more scopes than it declares: the user is asked for
// them, and the tool called again. Nothing may have been done before.
func NeedMore(scopes ...string) error { return &needMore{scopes} }

type needMore struct{ scopes []string }

func (e *needMore) Error() string {
	return "authorization required: more scopes are needed: " + strings.Join(e.scopes, " ")
}

// wire is the error in the words of the protocol.
func (e *Error) wire() *api.ToolError {
	return &api.ToolError{
		Kind: cmp.Or(e.Kind, api.ToolFatal), Message: e.Error(), DeveloperMessage: e.DeveloperMessage, AdditionalPromptContent: e.Prompt,
		CanRetry: e.CanRetry, RetryAfterMS: int(e.RetryAfter / time.Millisecond), StatusCode: e.StatusCode,
	}
}

// complaint is what the schema's check says, without where it began to look.
func complaint(err error) string {
	text := err.Error()
	for {
		rest, cut := strings.CutPrefix(text, "validating ")
		if !cut {
			return text
		}
		where, what, found := strings.Cut(rest, ": ")
		if !found {
			return text
		}
		text = what
		if property := strings.TrimPrefix(where, "/properties/"); property != where && !strings.HasPrefix(what, "validating ") {
			return strings.ReplaceAll(property, "/properties/", ".") + ": " + what
		}
	}
}
