package atlassian

import (
	"net/http"
	"net/url"
)

// Transport sends requests for sites to the gateway, so that a client that was written for
// https://{site}.atlassian.net works with tokens that only the gateway takes. It is an
// [http.RoundTripper], safe for concurrent use.
//
// Requests for other hosts are refused and not sent: Base may add a token to whatever it is given, and a
// redirect must not carry the token away. Follow redirects to other hosts with a client of their own.
type Transport struct {
	Resolver Resolver
	// Base sends the requests, and adds the token if the client does not; nil means [http.DefaultTransport].
	Base http.RoundTripper
}

var _ http.RoundTripper = (*Transport)(nil)

// RoundTrip sends one request to the gateway. The response names the request that was sent there
// ([Resolver.ToSite] is the way back), and a relative Location in it becomes an absolute one, since it is
// relative to the gateway.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	to, err := t.Resolver.ToGateway(req.URL)
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close() // as RoundTrip has to
		}
		return nil, err
	}
	sent := req.Clone(req.Context())
	sent.URL, sent.Host = to, ""
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	res, err := base.RoundTrip(sent)
	if err != nil {
		return nil, err
	}
	if location := res.Header.Get("Location"); location != "" {
		if where, err := url.Parse(location); err == nil {
			res.Header.Set("Location", to.ResolveReference(where).String())
		}
	}
	return res, nil
}
