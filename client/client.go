package client

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// Client is a client of one engine. It is safe for concurrent use.
type Client struct {
	base      string
	key       secret.String
	http      http.Client
	userAgent string
	limit     time.Duration
}

var _ keybearer.Renewer = (*Client)(nil)

// Option changes a Client that is being made.
type Option func(*Client)

// WithHTTPClient carries the requests with h, for its Transport and Jar. Redirects are not followed
// whatever h says: the API key must not wander.
func WithHTTPClient(h *http.Client) Option {
	return func(c *Client) { c.http.Transport, c.http.Jar = h.Transport, h.Jar }
}

// WithUserAgent names the program towards the engine.
func WithUserAgent(name string) Option { return func(c *Client) { c.userAgent = name } }

// WithTimeout bounds one request, long polls aside. Default: one minute.
func WithTimeout(d time.Duration) Option { return func(c *Client) { c.limit = d } }

// New makes a client of the engine at baseURL, which may have a path, with an API key. The key may be
// empty for [Client.Health] and [Client.Config]. Kind: BadRequest.
func New(baseURL string, key secret.String, opts ...Option) (*Client, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the engine's URL is not like https://keys.example.com")
	}
	if strings.ContainsFunc(key.Reveal(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, keybearer.Errorf(keybearer.BadRequest, "the API key contains characters that no key has: copy it again")
	}
	c := &Client{base: strings.TrimRight(baseURL, "/"), key: key, userAgent: "keybearer-go", limit: time.Minute}
	for _, o := range opts {
		o(c)
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}
