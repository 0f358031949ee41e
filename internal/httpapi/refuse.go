package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

// refused turns an error into an answer. What is not meant for people is logged, and the answer
// only says where.
func (c *call) refused(err error) answer {
	kind := keybearer.KindOf(err)
	if kind == keybearer.Internal && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		kind, err = keybearer.Unavailable, errors.New("the request was given up: send it again")
	}
	if kind == keybearer.Unavailable { // the caller is told to wait, and the operator why
		c.Log.WarnContext(c.ctx(), "unavailable", "request_id", c.requestID(), "route", c.req.Pattern, "error", err)
	}
	if kind != keybearer.Internal {
		body := api.Error{Name: string(kind), Message: err.Error()}
		if missing, ok := errors.AsType[*keybearer.AuthorizationRequired](err); ok {
			a := authorization(missing.Authorization)
			body.Authorization = &a
		}
		return c.refusal(kind.HTTPStatus(), !kind.Retryable(), retryAfter(err), body)
	}
	c.Log.ErrorContext(c.ctx(), "internal error", "request_id", c.requestID(), "route", c.req.Pattern, "error", err)
	return c.internal()
}

// crashed answers a panic. Its value may hold anything, also a secret, so only runtime errors are
// logged as they are; the stack names the place of the others.
func (c *call) crashed(p any) answer {
	if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(p)
	}
	what := fmt.Sprintf("a value of type %T", p)
	if err, ok := p.(runtime.Error); ok {
		what = err.Error()
	}
	c.Log.ErrorContext(c.ctx(), "panic", "request_id", c.requestID(), "route", c.req.Pattern, "panic", what, "stack", string(debug.Stack()))
	return c.internal()
}

func (c *call) internal() answer {
	return c.refusal(http.StatusInternalServerError, false, 0, api.Error{
		Name: string(keybearer.Internal), RequestID: c.requestID(),
		Message: "the engine has a problem of its own; its log names it under request_id " + c.requestID(),
	})
}

// lost answers requests that no route knows.
func (c *call) lost() answer {
	if methods := c.allowed(c.req); methods != "" {
		a := c.refusal(http.StatusMethodNotAllowed, true, 0, api.Error{
			Name: "method_not_allowed", Message: "this path knows the methods " + methods,
		})
		a.header["Allow"] = methods
		return a
	}
	return c.refusal(http.StatusNotFound, true, 0, api.Error{
		Name: string(keybearer.NotFound), Message: "there is no such path: GET /v1/swagger lists all",
	})
}

// refusal writes the error body. final tells clients not to try again by themselves, which the
// published ones otherwise do after 408, 409, 429 and everything from 500.
func (c *call) refusal(status int, final bool, after time.Duration, body api.Error) answer {
	if c.route != nil && c.route.confirms || body.Name == string(keybearer.UserMismatch) {
		body.Code, body.Error, body.Msg = status, body.Name, body.Message
	}
	a := answer{status: status, body: c.buffer(), header: map[string]string{"X-Request-Id": c.requestID()}}
	if final {
		a.header["X-Should-Retry"] = "false"
	}
	if after > 0 {
		a.header["Retry-After"] = strconv.Itoa(int(math.Ceil(after.Seconds())))
	}
	if status == http.StatusUnauthorized {
		a.header["WWW-Authenticate"] = `Bearer realm="keybearer"`
	}
	enc := json.NewEncoder(a.body)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body) // strings and numbers always encode
	return a
}

func retryAfter(err error) time.Duration {
	if e, ok := errors.AsType[*keybearer.Error](err); ok {
		return e.RetryAfter
	}
	return 0
}

// requestID is the caller's X-Request-Id, or else a new one.
func (c *call) requestID() string {
	if c.id == "" {
		c.id = c.req.Header.Get("X-Request-Id")
		if !plainID(c.id) {
			c.id = "req_" + rand.Text()
		}
	}
	return c.id
}

func plainID(id string) bool {
	for _, r := range id {
		if !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return len(id) > 0 && len(id) <= 64
}
