package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// call is one request on its way through the door.
type call struct {
	*door
	route *route
	w     http.ResponseWriter
	req   *http.Request
	// view and key are set on routes that need an API key.
	view *keybearer.View
	key  secret.String
	// body is the request's, on routes that take one.
	body []byte
	// status is the one of success; a verb may change it.
	status int
	// unrepeatable keeps the answer out of the replays, because it holds a token.
	unrepeatable bool
	id           string
}

// answer is what goes back: a status, a body (nil for none), and headers beside the usual ones.
type answer struct {
	status int
	body   *bytes.Buffer
	header map[string]string
}

// serve makes the handler of a route; nil stands for all paths that no route knows.
func (d *door) serve(r *route) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		c := &call{door: d, route: r, w: w, req: req}
		debug := d.Log.Enabled(req.Context(), slog.LevelDebug)
		began := time.Time{}
		if debug {
			began = d.Now()
		}
		a := c.answer()
		c.write(a)
		if debug {
			d.Log.DebugContext(req.Context(), "request", "request_id", c.requestID(), "method", req.Method,
				"route", req.Pattern, "status", a.status, "took", d.Now().Sub(began))
		}
		if a.body != nil {
			d.release(a.body)
		}
	}
}

// answer does the work. A panic in it is an internal error like any other.
func (c *call) answer() (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = c.crashed(p)
		}
	}()
	if c.route == nil {
		return c.lost()
	}
	if !c.route.open {
		if err := c.authenticate(); err != nil {
			return c.refused(err)
		}
	}
	if c.route.request == nil {
		return c.perform()
	}
	buf := c.buffer()
	defer c.release(buf)
	if err := c.readBody(buf); err != nil {
		return c.refused(err)
	}
	c.body = buf.Bytes()
	if key := c.req.Header.Get("Idempotency-Key"); key != "" && c.route.once {
		return c.performOnce(key)
	}
	return c.perform()
}

// perform calls the verb.
func (c *call) perform() answer {
	c.status = c.route.status
	out, err := c.route.do(c)
	if err != nil {
		return c.refused(err)
	}
	if c.status == http.StatusNoContent {
		return answer{status: c.status}
	}
	buf := c.buffer()
	if raw, ok := out.(rawJSON); ok {
		buf.Write(raw)
		return answer{status: c.status, body: buf}
	}
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // the answer is never HTML, and & in a URL should stay readable
	if err := enc.Encode(out); err != nil {
		return c.refused(err)
	}
	return answer{status: c.status, body: buf}
}

// rawJSON is an answer that is JSON already.
type rawJSON []byte

func (c *call) write(a answer) {
	h := c.w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	for name, value := range a.header {
		h.Set(name, value)
	}
	if a.body == nil {
		c.w.WriteHeader(a.status)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(a.body.Len()))
	c.w.WriteHeader(a.status)
	_, _ = c.w.Write(a.body.Bytes()) // the client may have gone; nothing is left to tell it
}

func (c *call) ctx() context.Context { return c.req.Context() }

// query reads the query, which net/http would silently cut where it is malformed.
func (c *call) query() (url.Values, error) {
	q, err := url.ParseQuery(c.req.URL.RawQuery)
	if err != nil {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the query is malformed: percent-encode its values")
	}
	return q, nil
}

// first gives the first value that is not empty among the spellings of a query parameter.
func first(q url.Values, spellings ...string) string {
	for _, s := range spellings {
		if v := q.Get(s); v != "" {
			return v
		}
	}
	return ""
}

// whole reads an optional whole number of the query, clamped to the range of int.
func whole(q url.Values, name string) (n int, given bool, err error) {
	text := q.Get(name)
	if text == "" {
		return 0, false, nil
	}
	n, err = strconv.Atoi(text)
	if err != nil && !errors.Is(err, strconv.ErrRange) { // out of range, n is the nearest int
		return 0, false, keybearer.Errorf(keybearer.BadRequest, "the query parameter %s is not a whole number", name)
	}
	return n, true, nil
}
