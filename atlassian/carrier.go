package atlassian

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// carrier is the RoundTripper of [Client.HTTPClient].
type carrier struct {
	c    *Client
	base http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	to, err := t.c.route(req.Context(), req.URL)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	token, err := t.c.Token(req.Context())
	if err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := t.send(req, to, token.Access)
	if err != nil {
		return nil, err
	}
	if f := Explain(res, token.Scopes, t.c.cfg.Now()); f == nil || !f.Renew || !replayable(req) || t.c.inVain(token.Access) {
		return res, nil
	}
	return t.again(req, to, token, res), nil
}

// again asks once more with a renewed token. Data Center ends the former token when it is renewed, so
// requests that are under way meet this, too. Where that does not work the first answer is given, which
// says more than an error of ours.
func (t *carrier) again(req *http.Request, to *url.URL, refused keybearer.Token, first *http.Response) *http.Response {
	renewed, err := t.c.Renew(req.Context(), refused.Access)
	if err != nil {
		return first
	}
	req = req.Clone(req.Context())
	if req.GetBody != nil {
		if req.Body, err = req.GetBody(); err != nil {
			return first
		}
	}
	second, err := t.send(req, to, renewed.Access)
	if err != nil {
		return first
	}
	if f := Explain(second, renewed.Scopes, t.c.cfg.Now()); f != nil && f.Renew {
		t.c.vain.Store(&renewed.Access)
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(first.Body, maxErrorBody)) // so that the connection can be used again
	_ = first.Body.Close()
	return second
}

func (t *carrier) send(req *http.Request, to *url.URL, access secret.String) (*http.Response, error) {
	out := req.Clone(req.Context()) // a RoundTripper must not change the request
	out.URL, out.Host = to, ""
	out.Header.Set("Authorization", "Bearer "+access.Reveal())
	res, err := t.base.RoundTrip(out)
	if err == nil {
		t.c.noteRate(res)
	}
	return res, err
}

// inVain reports whether the token is a renewed one that was refused at once: another refresh would only be
// the next of many.
func (c *Client) inVain(access secret.String) bool {
	vain := c.vain.Load()
	return vain != nil && vain.Equal(access)
}

func replayable(req *http.Request) bool {
	return req.Body == nil || req.Body == http.NoBody || req.GetBody != nil
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}

// route says where a request goes that may carry the token. Kinds: BadRequest, NotFound.
func (c *Client) route(ctx context.Context, u *url.URL) (*url.URL, error) {
	if c.cfg.Deployment == DataCenter {
		return u, c.belowServer(u)
	}
	if api, err := url.Parse(c.cfg.Hosts.API); err == nil && u.User == nil && sameOrigin(u, api) && u.Path == "/me" {
		return u, nil
	}
	if sites, err := url.Parse(c.cfg.Hosts.Sites); err == nil && u.User == nil && sameOrigin(u, sites) && u.Path == sitesPath {
		return u, nil
	}
	site, err := c.Site(ctx)
	if err != nil {
		return nil, err
	}
	r := Resolver{Sites: []Site{site}, Gateway: c.cfg.Hosts.API}
	return r.ToGateway(u)
}

func (c *Client) belowServer(u *url.URL) error {
	if err := checkAddress(u); err != nil {
		return err
	}
	server, err := url.Parse(c.cfg.ServerURL)
	if err != nil || !sameOrigin(u, server) || !strings.HasPrefix(u.EscapedPath(), server.EscapedPath()+"/") {
		return keybearer.Errorf(keybearer.NotFound, "%s is not at %s: the token is for that server alone, and nothing was sent", shown(u), c.cfg.ServerURL)
	}
	return nil
}
