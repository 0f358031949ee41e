package workers

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/keybearer/keybearer/api"
)

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
