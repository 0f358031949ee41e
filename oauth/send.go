package oauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

const (
	// requestLife bounds one request to the provider: some never answer.
	requestLife = 20 * time.Second
	// maxAnswer bounds what is read of an answer, in bytes after decompression.
	maxAnswer = 1 << 20
)

// answer is what came back, bounded.
type answer struct {
	status int
	header http.Header
	body   []byte
	// sent is when the request was: what the answer grants has been granted after that.
	sent time.Time
	// incomplete: the body was longer than maxAnswer, or broke off.
	incomplete bool
	// host answered, and hide keeps the request's secrets out of what is said about it.
	host string
	hide hider
}

// do sends one request and returns any 2xx answer. Everything else is an *Error.
func (c *Client) do(ctx context.Context, at, method string, r Request, v values) (answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, requestLife, fmt.Errorf("no answer within %s: %w", requestLife, context.DeadlineExceeded))
	defer cancel()
	v["client_id"], v["client_secret"] = c.ID, c.Secret.Reveal()
	req, err := c.newRequest(ctx, method, r, v)
	if err != nil {
		return answer{}, &Error{At: at, Class: Misconfigured, Err: err, Advice: "Check this provider's endpoints and requests"}
	}
	if req.Method == http.MethodGet && (redeems(at) || at == AtRefresh || at == AtClientCredentials) {
		req.Body = io.NopCloser(eof{})
	}
	hide := newHider(v)
	sent := c.now()
	got, err := c.send(req)
	if failed, ok := errors.AsType[*failure](err); ok {
		failed.text = hide.clean(failed.text, maxDescription)
		return answer{}, &Error{
			At: at, Class: Transient, Uncertain: failed.sent, Err: failed,
			Advice: "Check that " + req.URL.Host + " can be reached from here. " + laterAdvice(at),
		}
	}
	got.sent, got.host, got.hide = sent, req.URL.Host, hide
	if got.status < 200 || got.status > 299 {
		return answer{}, c.refusal(at, got)
	}
	return got, nil
}

// eof is an empty body that the transport does not know to be empty. A GET without a body it would
// repeat when a connection that was kept open turns out to be closed, and a code or a refresh token is
// not to be presented twice. (A POST it does not repeat once any of it was written.)
type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

// send makes the round trip, without an [http.Client] around it: nothing follows redirects, which
// would carry secrets elsewhere. Its error is a *failure.
func (c *Client) send(req *http.Request) (answer, error) {
	var dialing, connected atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { dialing.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}))
	res, err := c.transport().RoundTrip(req)
	if err != nil {
		return answer{}, newFailure(req.Context(), err, dialing.Load(), connected.Load())
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil && res.StatusCode >= 200 && res.StatusCode <= 299 {
		return answer{}, newFailure(req.Context(), err, true, true)
	}
	return answer{status: res.StatusCode, header: res.Header, body: body, incomplete: err != nil || len(body) > maxAnswer}, nil
}

// failure is a request without an answer. Its text is ours or the dialler's, never the provider's:
// some errors of net/http quote what was received.
type failure struct {
	text string
	// sent: the request may have arrived.
	sent bool
	// cause is context.Canceled, context.DeadlineExceeded or nil.
	cause error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() error { return f.cause }

func newFailure(ctx context.Context, err error, dialing, connected bool) *failure {
	f := &failure{sent: connected || !dialing}
	var broken *net.OpError
	var slow net.Error
	switch {
	case ctx.Err() != nil:
		f.text, f.cause = context.Cause(ctx).Error(), ctx.Err()
	case !connected, errors.As(err, &broken): // the dialler's, the TLS handshake's, a guard's, or a test's
		f.text = err.Error()
	case errors.As(err, &slow) && slow.Timeout():
		f.text, f.cause = "no answer in time", context.DeadlineExceeded
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		f.text = "the connection was closed before the answer was complete"
	default:
		f.text = "the connection failed, or what was answered is not HTTP"
	}
	return f
}
