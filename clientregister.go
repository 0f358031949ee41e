package keybearer

import (
	"context"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxClientName      = 200
	maxRedirectURIs    = 10
	maxClientURI       = 1000
	maxClientState     = 2000
	registeredClientID = "mcp_"
)

// ClientError is a refusal in the words of OAuth (RFC 6749 sections 4.1.2.1 and 5.2, RFC 7591 section 3.2.2). It unwraps to
// [BadRequest].
type ClientError struct {
	// Code is invalid_request, invalid_grant and others.
	Code string
	// Description is for people.
	Description string
	// Redirect says that the client's redirect URI is known to be right, so that the browser can take the error there.
	Redirect bool
}

func (e *ClientError) Error() string { return e.Description }

// Unwrap makes errors.Is(err, BadRequest) hold.
func (e *ClientError) Unwrap() error { return BadRequest }

// ClientDraft is what a client says of itself.
type ClientDraft struct {
	Name         string
	RedirectURIs []string
}

// RegisterClient registers a public client (RFC 7591). Anybody may: limiting the rate is the caller's. Error: a *ClientError.
func (b *Broker) RegisterClient(ctx context.Context, d ClientDraft) (RegisteredClient, error) {
	name := strings.TrimSpace(d.Name)
	if name == "" {
		name = "An MCP client"
	}
	if len(name) > maxClientName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return RegisteredClient{}, &ClientError{Code: "invalid_client_metadata", Description: "client_name has at most 200 bytes of printable text"}
	}
	if len(d.RedirectURIs) == 0 || len(d.RedirectURIs) > maxRedirectURIs {
		return RegisteredClient{}, &ClientError{Code: "invalid_redirect_uri", Description: "redirect_uris has one to ten addresses"}
	}
	for _, uri := range d.RedirectURIs {
		if !goodRedirectURI(uri) {
			return RegisteredClient{}, &ClientError{
				Code: "invalid_redirect_uri", Description: "a redirect URI is https, http on this machine, or of a scheme of the client's own, and has no fragment",
			}
		}
	}
	c := RegisteredClient{
		Project: DefaultProject, ID: randomID(registeredClientID), Name: name, RedirectURIs: slices.Clone(d.RedirectURIs), CreatedAt: b.now(),
	}
	err := b.cfg.Clients.PutRegisteredClient(ctx, c)
	b.record(Event{Actor: "client:" + c.ID, Action: ActionClientRegister, Outcome: outcome(err), Reason: name})
	return c, err
}

// privateScheme is a scheme by which a system finds a program (RFC 8252 section 7.1). That there is a dot in it is
// wanted there, and widely not so.
var privateScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]{1,40}$`)

// goodRedirectURI permits where a browser may take a code. Browsers give some schemes a meaning of their own.
func goodRedirectURI(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > maxClientURI || u.Fragment != "" || u.User != nil || !u.IsAbs() || strings.ContainsFunc(raw, func(c rune) bool { return c <= ' ' || c == '\\' || c > '~' }) {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Host != ""
	case "http":
		return loopbackHost(u.Hostname())
	case "javascript", "vbscript", "data", "blob", "file", "filesystem", "about", "ftp", "ws", "wss", "mailto", "tel", "view-source", "chrome", "intent", "jar", "resource":
		return false
	}
	return privateScheme.MatchString(u.Scheme) && u.Opaque == ""
}

// redirectsTo reports whether the client registered the address. On this machine the port may be another each time
// (RFC 8252 section 7.3).
func (c *RegisteredClient) redirectsTo(raw string) bool {
	if slices.Contains(c.RedirectURIs, raw) {
		return true
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || !loopbackHost(u.Hostname()) || !goodRedirectURI(raw) {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(known string) bool {
		k, err := url.Parse(known)
		return err == nil && k.Scheme == "http" && k.Hostname() == u.Hostname() && k.EscapedPath() == u.EscapedPath() && k.RawQuery == u.RawQuery
	})
}
