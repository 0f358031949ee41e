package oauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

const (
	// requestLife bounds one request to the provider: some never answer.
	requestLife = 20 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 1 << 20
	// userAgent goes with every request; several providers refuse requests without one.
	userAgent = "keybearer (+https://github.com/keybearer/keybearer)"
)

// Client is one client registered at one provider. It is safe for concurrent use as long as its
// fields are not changed.
type Client struct {
	Definition *Definition
	ID         string
	// Secret is empty for a public client.
	Secret      secret.String
	RedirectURI string
	// HTTP carries the requests; nil means [http.DefaultClient]. Its redirect policy and timeout do
	// not matter: redirects are never followed, since a request carries secrets, and each request
	// ends after 20 seconds.
	HTTP *http.Client
	// Now is the clock for expiries; nil means time.Now.
	Now func() time.Time
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// NewVerifier draws a PKCE code verifier: 43 characters, 256 random bits (RFC 7636 section 4.1).
func NewVerifier() secret.String {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

func challenge(verifier secret.String) string {
	sum := sha256.Sum256([]byte(verifier.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AuthorizeOptions are what one authorization request asks for.
type AuthorizeOptions struct {
	// State is the state parameter.
	State secret.String
	// Verifier is the PKCE verifier whose challenge is sent; zero without PKCE.
	Verifier secret.String
	// Scopes are asked for, and Existing were granted before.
	Scopes, Existing []string
}

// AuthorizeURL builds the URL that the browser is sent to (RFC 6749 section 4.1.1).
func (c *Client) AuthorizeURL(o AuthorizeOptions) (string, error) {
	d := c.Definition
	u, err := url.Parse(d.AuthorizeRequest.Endpoint)
	if err != nil || u.Host == "" {
		return "", &Error{At: AtCallback, Class: Misconfigured, Advice: "The authorization endpoint is not an absolute URL"}
	}
	params := d.AuthorizeRequest.Params
	if params == nil {
		params = map[string]string{
			"response_type": "code", "client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}",
			"scope": "{{scopes}} {{existing_scopes}}",
		}
	}
	params = maps.Clone(params)
	if !mentions(params, "state") {
		params["state"] = "{{state}}"
	}
	v := values{
		"client_id": c.ID, "redirect_uri": c.RedirectURI, "state": o.State.Reveal(),
		"scopes":          strings.Join(append(o.Scopes[:len(o.Scopes):len(o.Scopes)], d.Scopes.Always...), d.Delimiter()),
		"existing_scopes": strings.Join(o.Existing, d.Delimiter()),
	}
	if !o.Verifier.IsZero() {
		v["code_challenge"], v["code_challenge_method"] = challenge(o.Verifier), "S256"
		params["code_challenge"], params["code_challenge_method"] = "{{code_challenge}}", "{{code_challenge_method}}"
	}
	query := u.Query()
	for key, value := range expandParams(params, v, d.Delimiter()) {
		query.Set(key, value)
	}
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20") // Atlassian reads only up to the first "+"
	return u.String(), nil
}

// Exchange redeems a code (RFC 6749 section 4.1.3). The code is sent once: a timeout counts as spent.
// requested are the scopes that stand when the answer names none.
func (c *Client) Exchange(ctx context.Context, code, verifier secret.String, requested []string) (TokenResponse, error) {
	r := c.Definition.TokenRequest
	params := r.Params
	if params == nil {
		params = map[string]string{
			"grant_type": "authorization_code", "redirect_uri": "{{redirect_uri}}",
			"client_id": "{{client_id}}", "client_secret": "{{client_secret}}",
		}
	}
	params = maps.Clone(params)
	if !mentions(params, "code") {
		params["code"] = "{{code}}"
	}
	if !verifier.IsZero() && !mentions(params, "code_verifier") {
		params["code_verifier"] = "{{code_verifier}}"
	}
	r.Params = params
	return c.token(ctx, AtToken, "POST", r, values{
		"redirect_uri": c.RedirectURI, "code": code.Reveal(), "code_verifier": verifier.Reveal(),
		"scopes": strings.Join(requested, c.Definition.Delimiter()),
	}, requested)
}

// CanRefresh reports whether the definition uses refresh tokens.
func (c *Client) CanRefresh() bool { return c.Definition.RefreshRequest != nil }

// Refresh gets a new access token (RFC 6749 section 6). It is sent once; the caller keeps others
// from refreshing the same grant meanwhile. The answer holds the refresh token to keep: the new one
// if there is one, else the old one. granted are the scopes that stand when the answer names none.
func (c *Client) Refresh(ctx context.Context, refreshToken, accessToken secret.String, granted []string) (TokenResponse, error) {
	if !c.CanRefresh() {
		return TokenResponse{}, &Error{At: AtRefresh, Class: Reconsent, Advice: "This provider is configured without refresh_request: authorize again"}
	}
	r := *c.Definition.RefreshRequest
	if r.Endpoint == "" {
		r.Endpoint = c.Definition.TokenRequest.Endpoint
	}
	params := r.Params
	if params == nil {
		params = map[string]string{"client_id": "{{client_id}}", "client_secret": "{{client_secret}}"}
	}
	params = maps.Clone(params)
	if !mentions(params, "refresh_token") && !mentions(params, "access_token") {
		params["refresh_token"] = "{{refresh_token}}" // a documented sample leaves it out
	}
	if _, named := params["grant_type"]; !named && r.Params == nil || !named && hasStandardGrant(c.Definition.TokenRequest) {
		params["grant_type"] = "refresh_token"
	}
	r.Params = params
	scopes := strings.Join(granted, c.Definition.Delimiter())
	answer, err := c.token(ctx, AtRefresh, "POST", r, values{
		"redirect_uri": c.RedirectURI, "refresh_token": refreshToken.Reveal(), "access_token": accessToken.Reveal(),
		"scopes": scopes, "granted_scopes": scopes,
	}, granted)
	if err != nil {
		return answer, err
	}
	if answer.RefreshToken.IsZero() {
		answer.RefreshToken = refreshToken
	}
	return answer, nil
}

// hasStandardGrant: where the exchange names its grant_type, the refresh needs one as well.
func hasStandardGrant(r Request) bool {
	_, named := r.Params["grant_type"]
	return named || r.Params == nil
}

func (c *Client) token(ctx context.Context, at, method string, r Request, v values, scopes []string) (TokenResponse, error) {
	answer, err := c.do(ctx, at, method, r, v)
	if err != nil {
		return TokenResponse{}, err
	}
	return c.readToken(at, r, answer, scopes)
}

// answer is what came back, bounded.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request and returns any 2xx answer. Everything else is an *Error.
func (c *Client) do(ctx context.Context, at, method string, r Request, v values) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestLife)
	defer cancel()
	v["client_id"], v["client_secret"] = c.ID, c.Secret.Reveal()
	req, err := c.newRequest(ctx, method, r, v)
	if err != nil {
		return answer{}, &Error{At: at, Class: Misconfigured, Err: err}
	}
	hide := hider(v)
	got, err := c.send(req)
	if err != nil {
		return answer{}, &Error{
			At: at, Class: Transient, Uncertain: true, Err: errors.New(hide(plainTransportError(err))),
			Advice: "Check that " + req.URL.Host + " can be reached from here; the stored grant is kept",
		}
	}
	if got.status >= 200 && got.status < 300 {
		return got, nil
	}
	return answer{}, c.refusal(at, req.URL.Host, got, hide)
}

func (c *Client) newRequest(ctx context.Context, method string, r Request, v values) (*http.Request, error) {
	if r.Method != "" {
		method = r.Method
	}
	params := maps.Clone(r.Params)
	if params == nil {
		params = map[string]string{}
	}
	switch r.AuthMethod {
	case AuthClientSecretBasic:
		if !r.SendCredentialsTwice { // RFC 6749 section 2.3: one method per request; Okta refuses two
			maps.DeleteFunc(params, func(name, template string) bool {
				used := names(template)
				return name == "client_id" || name == "client_secret" ||
					slices.Contains(used, "client_id") || slices.Contains(used, "client_secret")
			})
		}
	case AuthClientSecretPost:
		if !mentions(params, "client_id") {
			params["client_id"] = "{{client_id}}"
		}
		if !mentions(params, "client_secret") {
			params["client_secret"] = "{{client_secret}}"
		}
	}
	sent := expandParams(params, v, c.Definition.Delimiter())
	u, err := url.Parse(r.Endpoint)
	if err != nil || u.Host == "" {
		return nil, errors.New("the endpoint is not an absolute URL")
	}
	var body io.Reader
	contentType := ""
	switch {
	case method == http.MethodGet:
		query := u.Query()
		for key, value := range sent {
			query.Set(key, value)
		}
		u.RawQuery = query.Encode()
	case r.RequestContentType == ContentJSON:
		encoded, err := json.Marshal(sent)
		if err != nil {
			return nil, err
		}
		body, contentType = strings.NewReader(string(encoded)), ContentJSON
	default:
		form := make(url.Values, len(sent))
		for key, value := range sent {
			form.Set(key, value)
		}
		body, contentType = strings.NewReader(form.Encode()), ContentForm
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, errors.New("the endpoint is not an absolute URL")
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", ContentJSON)
	req.Header.Set("User-Agent", userAgent)
	c.authenticate(req, r, v)
	for name, template := range r.Headers {
		req.Header.Set(name, v.expand(template))
	}
	return req, nil
}

func (c *Client) authenticate(req *http.Request, r Request, v values) {
	switch {
	case r.AuthHeaderValueFormat != "":
		req.Header.Set("Authorization", v.expand(r.AuthHeaderValueFormat))
	case r.AuthMethod == AuthBearerAccessToken:
		req.Header.Set("Authorization", "Bearer "+v["access_token"])
	case r.AuthMethod == AuthClientSecretBasic && r.BasicEncoding == "raw":
		req.SetBasicAuth(c.ID, c.Secret.Reveal())
	case r.AuthMethod == AuthClientSecretBasic: // RFC 6749 section 2.3.1 form-encodes both halves
		req.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret.Reveal()))
	}
}

func (c *Client) send(req *http.Request) (answer, error) {
	hc := http.DefaultClient
	if c.HTTP != nil {
		hc = c.HTTP
	}
	noRedirect := &http.Client{
		Transport:     hc.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	res, err := noRedirect.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, err
	case len(body) > maxAnswer:
		return answer{}, errors.New("the answer is larger than 1 MiB")
	}
	return answer{status: res.StatusCode, header: res.Header, body: body}, nil
}

// refusal reads an answer that is not 2xx.
func (c *Client) refusal(at, host string, got answer, hide func(string) string) *Error {
	e := &Error{At: at, Status: got.status, RetryAfter: retryAfter(got.header, c.now())}
	if doc, ok := decode(got.body); ok {
		e.Code, e.Description = errorFields(doc)
		e.Code, e.Description = clean(hide(e.Code), 80), clean(hide(e.Description), 300)
	}
	if got.status >= 300 && got.status < 400 {
		e.Class, e.Description = Misconfigured, "a redirect, which is not followed since the request carries secrets"
		e.Advice = "Check the endpoint at " + host
		return e
	}
	e.Uncertain = got.status >= 500
	c.Definition.classify(e, len(got.body) == 0)
	return e
}

// retryAfter reads Retry-After (RFC 9110 section 10.2.3), at most an hour.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds == seconds {
		wait = time.Duration(min(max(seconds, 0), 3600) * float64(time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), time.Hour)
}

// plainTransportError drops the URL, whose query may carry secrets.
func plainTransportError(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer within " + requestLife.String()
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	return err.Error()
}

// hider takes the secrets of a request out of a text that the provider may have echoed.
func hider(v values) func(string) string {
	var pairs []string
	for name, text := range v {
		switch name {
		case "client_secret", "code", "code_verifier", "state", "refresh_token", "access_token", "token":
			if text != "" {
				pairs = append(pairs, text, secret.Redacted)
				if escaped := url.QueryEscape(text); escaped != text {
					pairs = append(pairs, escaped, secret.Redacted)
				}
			}
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// clean makes foreign text fit for a log line or a page: printable, and at most limit bytes.
func clean(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == '\uFFFD' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, text)
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "") + "…"
	}
	return strings.TrimSpace(text)
}

// Clean makes foreign text fit for a log line or a page: printable, and at most limit bytes.
func Clean(text string, limit int) string { return clean(text, limit) }
