package keybearer

import (
	"context"
	"io"
	"net/http"

	"github.com/keybearer/keybearer/secret"
)

// Renewer is a TokenSource that can replace a token which an API refused. *View is one.
type Renewer interface {
	TokenSource
	Renew(ctx context.Context, ref Ref, refused secret.String) (Token, error)
}

var _ Renewer = (*View)(nil)

// Transport is an [http.RoundTripper] that puts a connection's token on every request. When the API
// answers 401 the token is really refreshed, once, and the request is sent again if it can be: when
// it has no body, or one that GetBody gives anew. It is safe for concurrent use.
//
// Use it with a client that talks to the one API only: the token goes wherever the requests go,
// redirects included; a client that follows redirects to other hosts must drop the header itself.
type Transport struct {
	Source Renewer
	Ref    Ref
	Scopes []string
	// Base carries the requests; nil means [http.DefaultTransport].
	Base http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	token, err := t.Source.Token(req.Context(), t.Ref, t.Scopes...)
	if err != nil {
		closeBody(req)
		return nil, err
	}
	res, err := t.send(req, token)
	if err != nil || res.StatusCode != http.StatusUnauthorized || req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return res, err
	}
	renewed, err := t.Source.Renew(req.Context(), t.Ref, token.Access)
	if err != nil {
		return res, nil // the API's own answer says more than ours
	}
	again := req.Clone(req.Context())
	if req.GetBody != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return res, nil
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection can be used again
	_ = res.Body.Close()
	return t.send(again, renewed)
}

func (t *Transport) send(req *http.Request, token Token) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	out := req.Clone(req.Context()) // a RoundTripper must not change the request
	out.Header.Set("Authorization", token.Authorization().Reveal())
	return base.RoundTrip(out)
}

func closeBody(req *http.Request) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
}
