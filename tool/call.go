package tool

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/secret"
)

// Call is one call of a tool, with what it was lent. It is safe for concurrent use, and of no use after the function returned.
type Call struct {
	tool     *Tool
	user     string
	lent     *api.InvocationAuthorization
	secrets  map[string]secret.String
	metadata map[string]string
	progress func(done, total float64, message string)
	client   *http.Client

	mu   sync.Mutex
	logs []api.ToolLog
}

// User is the id of the user that the tool runs for, as the app calls him; "" where nobody was named.
func (c *Call) User() string { return c.user }

// Token is the user's access token; it is empty where the tool requires none. Most tools use [Call.HTTP] and never see it.
func (c *Call) Token() secret.String {
	if c.lent == nil {
		return secret.String{}
	}
	return secret.New(c.lent.Token)
}

// Username is there where the token is an API token, which is sent as Basic together with it.
func (c *Call) Username() string {
	if c.lent == nil {
		return ""
	}
	return c.lent.Username
}

// UserInfo is the JSON object that the provider told of the user, or nil.
func (c *Call) UserInfo() json.RawMessage {
	if c.lent == nil {
		return nil
	}
	return c.lent.UserInfo
}

// Sites are those that the token reaches, for providers with sites, where the engine tells them; else nil.
func (c *Call) Sites() *api.SiteList {
	if c.lent == nil {
		return nil
	}
	return c.lent.Sites
}

// Secret is a secret that the tool declares; it is empty where nobody has stored it.
func (c *Call) Secret(key string) secret.String { return c.secrets[key] }

// Metadata is what the engine tells under a key that the tool declares; "" where it does not.
func (c *Call) Metadata(key string) string { return c.metadata[key] }

// maxLogs bounds what one call may say beside its value.
const (
	maxLogs   = 1000
	maxLogged = 8 << 10
)

// Log says something beside the value, for developers: in an engine's logs, and by MCP in the result's _meta. Levels are debug, info,
// warning and error. Beyond a thousand lines the rest is left out, and a line is cut at 8 KiB.
func (c *Call) Log(level, message string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.logs) < maxLogs {
		c.logs = append(c.logs, api.ToolLog{Level: level, Message: message[:min(len(message), maxLogged)]})
	}
}

// Progress tells how far the tool is. Total is 0 where nobody knows. Nobody may be listening.
func (c *Call) Progress(done, total float64, message string) {
	if c.progress == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress(done, total, message)
}

// HTTP is a client that carries the user's token to the hosts of the API, as Bearer or, for API tokens, as Basic. To other hosts, and over
// plain http but to a declared one on this machine, it sends no request. It follows redirects to the same host only. Timeouts are the context's.
func (c *Call) HTTP() *http.Client {
	base := http.DefaultTransport
	if c.client != nil && c.client.Transport != nil {
		base = c.client.Transport
	}
	return &http.Client{
		Transport: &carrier{call: c, base: base},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) >= 10 || req.URL.Host != via[0].URL.Host || req.URL.Scheme != via[0].URL.Scheme {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}

// clientKey is where a test, or a program around [Run], leaves a client to send requests by.
type clientKey struct{}

// WithHTTPClient has the calls under a context send their requests by a client's transport: for tests, and for proxies.
func WithHTTPClient(ctx context.Context, client *http.Client) context.Context {
	return context.WithValue(ctx, clientKey{}, client)
}
