package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/egress"
)

// maxReplay is how large a body may be to be kept until it is known that the token is taken.
const maxReplay = 64 << 10

// counted is a body whose bytes are counted on their way.
type counted struct {
	io.ReadCloser
	n *atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.n.Add(int64(n))
	return n, err
}

// replayable reads a small body, so that the request can be made once more: again does that. It is nil for
// streams, and for bodies that are larger.
func (x *exchange) replayable() (again func(), refused *refusal) {
	length := x.r.ContentLength
	if length == 0 && len(x.r.Trailer) == 0 {
		return func() {}, nil
	}
	if length < 0 || length > maxReplay || len(x.r.Trailer) > 0 || x.upgrade() != "" || x.r.Header.Get("Expect") != "" {
		return nil, nil
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(x.r.Body, body); err != nil {
		return nil, refuse(http.StatusBadRequest, CodeBadRequest, keybearer.BadRequest, "the request broke off")
	}
	again = func() { x.r.Body = io.NopCloser(bytes.NewReader(body)) }
	again()
	return again, nil
}

// send makes the request at an address.
func (x *exchange) send(to *url.URL, strange bool) (*http.Response, *refusal) {
	out := &http.Request{
		Method: x.r.Method, URL: to, Host: to.Host, Header: x.header, ContentLength: x.r.ContentLength, Trailer: x.r.Trailer,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	out = out.WithContext(x.r.Context())
	if x.r.ContentLength != 0 {
		out.Body = &counted{ReadCloser: x.r.Body, n: &x.sent}
	}
	if _, ok := x.header["User-Agent"]; !ok {
		x.header["User-Agent"] = nil // else the transport would put its own
	}
	if hasToken(x.r.Header["Te"], "trailers") {
		x.header["Te"] = []string{"trailers"}
	}
	h2 := x.r.ProtoMajor == 2
	if protocol := x.upgrade(); protocol != "" {
		x.header["Connection"], x.header["Upgrade"], h2 = []string{"Upgrade"}, []string{protocol}, false
	}
	way, err := x.p.transports.of(&x.p.cfg, to, h2, strange)
	if err != nil {
		return nil, x.p.unreachable(x.to, err)
	}
	if x.r.ContentLength != 0 && x.r.ProtoMajor == 1 {
		_ = http.NewResponseController(x.w).EnableFullDuplex() // an answer may come before the body's end
	}
	res, err := way.RoundTrip(out)
	if err != nil {
		return nil, x.p.unreachable(x.to, err)
	}
	return res, nil
}

// upgrade is the protocol that the request wants to go over to, or "". HTTP/2 is none: more requests would
// come in it, which nobody looked at (and RFC 9113 took that way back).
func (x *exchange) upgrade() string {
	to := x.r.Header.Get("Upgrade")
	if x.r.ProtoMajor != 1 || !hasToken(x.r.Header["Connection"], "Upgrade") || strings.Contains(strings.ToLower(to), "h2c") {
		return ""
	}
	return to
}

// unreachable says why there is no answer of an upstream.
func (p *Proxy) unreachable(to target, err error) *refusal {
	var timeout net.Error
	proxy, viaProxy := errors.AsType[*proxyRefused](err)
	certificate, badTLS := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case errors.Is(err, egress.ErrReach):
		return refuse(http.StatusForbidden, CodeAddress, keybearer.PermissionDenied, "%s is not connected to: %s", to.shown(), reachReason(err)).
			do("name the host in a rule of policy.yaml, if the agent is meant to go there")
	case badTLS:
		return refuse(http.StatusBadGateway, CodeUpstreamTLS, keybearer.ProviderAway, "the certificate of %s is not valid: %s", to.shown(), certificate.Err).
			do("if your network inspects TLS, add its authority to the system's, or name it in SSL_CERT_FILE")
	case viaProxy:
		return refuse(http.StatusBadGateway, CodeUpstreamProxy, keybearer.ProviderAway, "%s could not be reached: %s", to.shown(), proxy).
			do("check HTTPS_PROXY, and the user and password in it")
	case errors.Is(err, errClosing):
		return closing()
	case errors.As(err, &timeout) && timeout.Timeout():
		return refuse(http.StatusGatewayTimeout, CodeTimeout, keybearer.ProviderAway, "%s did not answer in time", to.shown())
	}
	p.log.Info("an upstream could not be reached", "host", to.shown(), "error", err)
	return refuse(http.StatusBadGateway, CodeUpstream, keybearer.ProviderAway, "%s could not be reached: %s", to.shown(), plainCause(err))
}

var errClosing = errors.New("the proxy is closing")

func closing() *refusal {
	return refuse(http.StatusServiceUnavailable, CodeClosing, keybearer.Unavailable, "the proxy is closing: the run is over")
}

// reachReason is the part of a dial's error that is about the address.
func reachReason(err error) string {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		err = op.Err
	}
	return err.Error()
}

// plainCause is an error without its request, whose URL may hold a credential.
func plainCause(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
