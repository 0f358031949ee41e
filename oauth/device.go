package oauth

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/keybearer/keybearer/secret"
)

// GrantTypeDevice is the grant_type of a poll (RFC 8628 section 3.4).
const GrantTypeDevice = "urn:ietf:params:oauth:grant-type:device_code"

const (
	// defaultInterval is what holds where the answer names none, and how much a slow_down adds (RFC 8628
	// sections 3.2 and 3.5).
	defaultInterval = 5 * time.Second
	// deviceLife is assumed where the answer does not say, although it has to.
	deviceLife = 5 * time.Minute
	// maxDeviceLife bounds for how long a provider can have us ask.
	maxDeviceLife = time.Hour
	// maxUserCode is in characters: people type it.
	maxUserCode = 64
)

var (
	// ErrPending is the cause of a poll's error while the person has not decided (authorization_pending).
	ErrPending = errors.New("the person has not decided yet")
	// ErrSlowDown is the same, and wants five seconds more between this poll and all that follow (slow_down).
	ErrSlowDown = errors.New("the provider wants to be asked more slowly")
)

// DeviceAuthorization is an answer of the device authorization endpoint (RFC 8628 section 3.2), read.
type DeviceAuthorization struct {
	// DeviceCode is what the token is asked for with. Whoever has it gets the token once the person agrees.
	DeviceCode secret.String
	// UserCode is what the person types at VerificationURI. It is shown as it stands.
	UserCode string
	// VerificationURI is an absolute https URL (http to this machine only). VerificationURIComplete has the
	// user code in it, or is empty.
	VerificationURI, VerificationURIComplete string
	// ExpiresAt is when both codes end, an hour from now at most.
	ExpiresAt time.Time
	// Interval is how long to wait before each poll, a second at least.
	Interval time.Duration
}

// AuthorizesDevices reports whether the definition has a device authorization endpoint.
func (d *Definition) AuthorizesDevices() bool { return d.DeviceRequest != nil }

// AuthorizeDevice asks for a device code and a user code (RFC 8628 section 3.1). The scopes that the
// definition always adds are added.
func (c *Client) AuthorizeDevice(ctx context.Context, scopes []string) (DeviceAuthorization, error) {
	if !c.Definition.AuthorizesDevices() {
		return DeviceAuthorization{}, &Error{At: AtDevice, Class: Misconfigured, Advice: "This provider is configured without device_authorization_request: authorize in a browser"}
	}
	r := *c.Definition.DeviceRequest
	if r.Params == nil { // a confidential client authenticates here as at the token endpoint (section 3.1)
		r.Params = map[string]string{"client_id": "{{client_id}}", "client_secret": "{{client_secret}}", "scope": "{{scopes}}"}
		r.AuthMethod = cmp.Or(r.AuthMethod, c.Definition.TokenRequest.AuthMethod)
	}
	rules := c.Definition.Scopes
	got, err := c.do(ctx, AtDevice, http.MethodPost, r, values{
		"scopes": strings.Join(unique(append(rules.topmost(scopes), rules.Always...)), c.Definition.Delimiter()),
	})
	if err != nil {
		return DeviceAuthorization{}, err
	}
	doc, err := decode(got)
	if err != nil {
		return DeviceAuthorization{}, unreadable(AtDevice, got, err)
	}
	if statesError(doc) {
		return DeviceAuthorization{}, c.errorIn(AtDevice, got, doc)
	}
	return c.readDevice(r, got, doc)
}

// readDevice reads an answer that calls itself none. What a person is going to see and to open is
// refused unless it is plainly fit for that.
func (c *Client) readDevice(r Request, got answer, doc any) (DeviceAuthorization, error) {
	fields := deviceFields(doc, r.ResponseMap)
	out := DeviceAuthorization{
		DeviceCode: token(fields["device_code"]), UserCode: strings.TrimSpace(text(fields["user_code"])),
		VerificationURI: text(fields["verification_uri"]), VerificationURIComplete: text(fields["verification_uri_complete"]),
		Interval: defaultInterval,
	}
	got.hide.add(out.DeviceCode.Reveal())
	if err := c.unfitDevice(out); err != nil {
		return DeviceAuthorization{}, &Error{At: AtDevice, Status: got.status, Class: Misconfigured, Err: err, Advice: "Check device_authorization_request and its response_map"}
	}
	if out.VerificationURIComplete != "" && c.checkShown(out.VerificationURIComplete) != nil { // the plain one does as well
		out.VerificationURIComplete = ""
	}
	life, err := lifetime(fields["expires_in"])
	if err != nil || life == 0 {
		life = deviceLife
	}
	out.ExpiresAt = got.sent.Add(min(life, maxDeviceLife))
	if wait, err := lifetime(fields["interval"]); err == nil && wait > 0 {
		out.Interval = min(max(wait, time.Second), maxDeviceLife)
	}
	return out, nil
}

func (c *Client) unfitDevice(d DeviceAuthorization) error {
	switch {
	case d.DeviceCode.IsZero():
		return errors.New("the answer has no device_code")
	case d.UserCode == "" || len(d.UserCode) > maxUserCode || strings.ContainsFunc(d.UserCode, func(r rune) bool { return r < ' ' || r > '~' }):
		return errors.New("the answer has no user_code that a person could type")
	}
	return c.checkShown(d.VerificationURI)
}

// checkShown is CheckEndpoint for what a person opens: by plain http only on this machine, or where the
// definition itself does without TLS.
func (c *Client) checkShown(uri string) error {
	if strings.ContainsFunc(uri, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return errors.New("the answer's verification_uri has characters that a URL may not have")
	}
	return CheckEndpoint(uri, strings.HasPrefix(c.Definition.DeviceRequest.Endpoint, "http://"))
}

// deviceFieldNames are the fields of the answer, and what a response map of it can name.
func deviceFieldNames() []string {
	return []string{"device_code", "user_code", "verification_uri", "verification_uri_complete", "expires_in", "interval"}
}

func deviceFields(doc any, m ResponseMap) map[string]any {
	object, _ := doc.(map[string]any)
	fields := map[string]any{}
	for _, name := range deviceFieldNames() {
		value := object[name]
		if value == nil { // Google and older drafts: verification_url
			value = object[strings.Replace(name, "_uri", "_url", 1)]
		}
		if e, mapped := m[name]; mapped && !e.IsZero() {
			value, _ = e.Eval(doc)
		}
		fields[name] = value
	}
	return fields
}

func (c *checker) device(r Request) {
	const name = "device_authorization_request"
	c.needed(name, r)
	c.request(name, r)
	c.mapKeys(name, r.ResponseMap, deviceFieldNames()...)
	if r.AuthMethod == AuthBearerAccessToken {
		c.fail("there is no access token yet at this request", name, "auth_method")
	}
	if r.Method == http.MethodGet {
		c.fail("RFC 8628 section 3.1 wants POST", name, "method")
	}
}
