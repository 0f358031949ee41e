package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

const (
	largestAnswer = 16 << 20
	retries       = 2
	firstPause    = 500 * time.Millisecond
	longestPause  = 8 * time.Second
	longestWish   = time.Minute // of a server that asks for a pause
)

// request is one call of a route.
type request struct {
	// op is what is being done, for errors: "authorizing alice at hooli".
	op           string
	method, path string
	query        url.Values
	body         any // nil: none
	into         any // nil: the answer is not looked at
	limit        time.Duration
}

// do sends a request, and sends a GET again when that may help: what a GET asks for is not done
// twice by asking twice, while a POST whose answer was lost may have been carried out.
func (c *Client) do(ctx context.Context, r request) error {
	for attempt := 0; ; attempt++ {
		again, pause, err := c.once(ctx, r)
		if err == nil {
			return nil
		}
		if !again || r.method != http.MethodGet || attempt == retries || ctx.Err() != nil {
			return err
		}
		if pause == 0 {
			pause = min(firstPause<<attempt, longestPause)
			pause -= time.Duration(rand.Int64N(int64(pause)/4 + 1))
		}
		if !sleep(ctx, pause) {
			return err
		}
	}
}

// once sends a request once. again tells whether sending it again may help, pause the engine's wish.
func (c *Client) once(ctx context.Context, r request) (again bool, pause time.Duration, err error) {
	if r.limit == 0 {
		r.limit = c.limit
	}
	limited, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	req, err := c.build(limited, r)
	if err != nil {
		return false, 0, &keybearer.Error{Kind: keybearer.BadRequest, Op: r.op, Err: err}
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return true, 0, c.lost(ctx, r, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer+1))
	switch {
	case err != nil:
		return true, 0, c.lost(ctx, r, err)
	case resp.StatusCode >= 300:
		return mayHelp(resp), wish(resp.Header), refusal(r.op, resp, body)
	case len(body) > largestAnswer:
		return false, 0, &keybearer.Error{Kind: keybearer.Internal, Op: r.op, Err: fmt.Errorf("the answer has more than %d bytes", largestAnswer)}
	case r.into == nil:
		return false, 0, nil
	}
	if err := json.Unmarshal(body, r.into); err != nil { // its text would repeat the answer
		return false, 0, &keybearer.Error{Kind: keybearer.Internal, Op: r.op, Err: fmt.Errorf("the answer %s is not what an engine sends: check the engine's URL", resp.Status)}
	}
	return false, 0, nil
}

func (c *Client) build(ctx context.Context, r request) (*http.Request, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if !c.key.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	return req, nil
}

// lost words the failure of a request that got no answer. A caller who gave up gets that back.
func (c *Client) lost(ctx context.Context, r request, err error) error {
	if ctx.Err() != nil {
		return &keybearer.Error{Kind: keybearer.Unavailable, Op: r.op, Err: ctx.Err()}
	}
	if cause, ok := errors.AsType[*url.Error](err); ok {
		err = cause.Err // it names the URL, with ids in it
	}
	return &keybearer.Error{Kind: keybearer.Unavailable, Op: r.op, Err: fmt.Errorf("no answer from the engine at %s: %w", c.base, err)}
}

// refusal turns an error body into an error of the kind that the engine named.
func refusal(op string, resp *http.Response, body []byte) error {
	var said struct {
		api.Error
		Reason string `json:"reason"` // of an engine that is not healthy
	}
	_ = json.Unmarshal(body, &said) // somebody before the engine may have answered, in HTML
	e := &keybearer.Error{Kind: keybearer.Kind(said.Name), Op: op, RetryAfter: wish(resp.Header)}
	if !known(e.Kind) {
		e.Kind = kindOfStatus(resp.StatusCode)
	}
	switch {
	case said.Authorization != nil:
		e.Err = &keybearer.AuthorizationRequired{Tool: "the tool", Authorization: authorization(said.Authorization)}
	case said.Message != "":
		e.Err = errors.New(said.Message)
	case said.Reason != "":
		e.Err = errors.New(said.Reason)
	case resp.StatusCode < 400:
		e.Err = fmt.Errorf("the engine's URL leads elsewhere (%s): give the URL that it leads to", resp.Status)
	default:
		e.Err = fmt.Errorf("the answer was %s, and not an engine's: check the engine's URL", resp.Status)
	}
	return e
}

func known(k keybearer.Kind) bool {
	return k == keybearer.Internal || keybearer.KindOf(k) != keybearer.Internal
}

// kindOfStatus is for answers of other engines and of machines between.
func kindOfStatus(status int) keybearer.Kind {
	switch status {
	case http.StatusUnauthorized:
		return keybearer.Unauthenticated
	case http.StatusForbidden:
		return keybearer.PermissionDenied
	case http.StatusNotFound:
		return keybearer.NotFound
	case http.StatusConflict:
		return keybearer.Conflict
	case http.StatusRequestEntityTooLarge:
		return keybearer.TooLarge
	case http.StatusUnsupportedMediaType:
		return keybearer.UnsupportedMedia
	case http.StatusTooManyRequests:
		return keybearer.RateLimited
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return keybearer.NotImplemented
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return keybearer.Unavailable
	}
	if status < 500 {
		return keybearer.BadRequest
	}
	return keybearer.Internal
}

// mayHelp is the published clients' rule, with the engine's hint before it.
func mayHelp(resp *http.Response) bool {
	switch resp.Header.Get("X-Should-Retry") {
	case "true":
		return true
	case "false":
		return false
	}
	s := resp.StatusCode
	return s == http.StatusRequestTimeout || s == http.StatusConflict || s == http.StatusTooManyRequests || s >= 500
}

// wish is the pause that the engine asks for, or 0. One that is longer than a minute is not heeded.
func wish(h http.Header) time.Duration {
	var d time.Duration
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil {
		d = time.Duration(ms * float64(time.Millisecond))
	} else if s, err := strconv.ParseFloat(h.Get("Retry-After"), 64); err == nil {
		d = time.Duration(s * float64(time.Second))
	} else if at, err := http.ParseTime(h.Get("Retry-After")); err == nil {
		d = time.Until(at)
	}
	if d <= 0 || d > longestWish {
		return 0
	}
	return d
}

// sleep waits, and reports whether it was for the whole time.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// segment makes an id a part of a path.
func segment(id string) string {
	if id == "." || id == ".." { // which paths would swallow
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}
