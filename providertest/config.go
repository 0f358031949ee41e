package providertest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"
)

// Ways for a client to authenticate at the token endpoint.
const (
	AuthBasic  = "basic"  // HTTP Basic, id and secret form-encoded (RFC 6749 section 2.3.1)
	AuthPost   = "post"   // client_id and client_secret in the body
	AuthBearer = "bearer" // on refresh: the access token, expired or not, in the Authorization header
)

// Config says whom a [Server] knows and how strict it is. The zero Config has
// two users and no client, rotates refresh tokens without any leeway and
// accepts Basic and body credentials, but not both at once.
type Config struct {
	Clients []Client
	Users   []User // default: alice and bob, whose passwords are their names

	Clock func() time.Time // default: time.Now

	// Decision is what the person does at first; default: asked by pages.
	Decision Decision

	// Issuer is the issuer identifier; default: scheme and host of the request.
	Issuer string
	// SendIss adds iss to every callback (RFC 9207) and says so in the
	// discovery document.
	SendIss bool

	AccessLifetime time.Duration // in whole seconds; default 1 h
	CodeLifetime   time.Duration // default 1 min
	DeviceLifetime time.Duration // of device codes, in whole seconds; default 10 min
	PollInterval   time.Duration // between polls with one, in whole seconds; default 5 s
	PollStatus     int           // of a poll that gets no token; default 400, GitHub's is 200
	Inactivity     time.Duration // of refresh tokens; default: none
	Absolute       time.Duration // of refresh families; default: none
	NoRotation     bool          // a refresh answers without a refresh token: the old one goes on
	Leeway         time.Duration // for a rotated refresh token; default: none
	Successor      bool          // in the leeway give out the live successor, not a fresh sibling

	AuthStyles  []string // of [AuthBasic], [AuthPost], [AuthBearer]; default: the first two
	RawBasic    bool     // do not form-decode Basic credentials, as many servers do
	RequirePKCE bool     // of confidential clients too; public ones always need it
	Formats     []string // of token requests: "form", "json"; default: form

	Scopes        []string // what may be asked for; default: anything
	DefaultScopes []string // when nothing is asked for
	// OfflineScope, if set, has to be asked for to get a refresh token
	// ("offline_access").
	OfflineScope string
	// Grant says what the person grants of what was asked; default: all.
	Grant func(user string, asked []string) []string
	// UserinfoScope, if set, is needed at the userinfo endpoint ("openid").
	UserinfoScope string
}

// Client is a registered client.
type Client struct {
	ID     string
	Secret string // generated when empty, unless Public
	// RedirectURIs match exactly. For a public client, one on 127.0.0.1 or
	// [::1] without a port matches any port (RFC 8252 section 7.3).
	RedirectURIs []string
	Public       bool
}

// User is a person who can sign in.
type User struct {
	Name     string
	Password string
	// Claims are what userinfo answers, beside sub (default: the name).
	Claims map[string]any
}

func (c Config) withDefaults() Config {
	if c.Users == nil {
		c.Users = []User{
			{Name: "alice", Password: "alice", Claims: map[string]any{"name": "Alice Adams", "email": "alice@example.com"}},
			{Name: "bob", Password: "bob", Claims: map[string]any{"name": "Bob Brown", "email": "bob@example.com"}},
		}
	}
	if c.AccessLifetime == 0 {
		c.AccessLifetime = time.Hour
	}
	if c.CodeLifetime == 0 {
		c.CodeLifetime = time.Minute
	}
	if c.DeviceLifetime == 0 {
		c.DeviceLifetime = 10 * time.Minute
	}
	if c.PollInterval == 0 {
		c.PollInterval = 5 * time.Second
	}
	if c.AuthStyles == nil {
		c.AuthStyles = []string{AuthBasic, AuthPost}
	}
	if c.Formats == nil {
		c.Formats = []string{"form"}
	}
	return c
}

func (c Config) check() error {
	for _, style := range c.AuthStyles {
		if style != AuthBasic && style != AuthPost && style != AuthBearer {
			return fmt.Errorf("unknown style %q in AuthStyles: it may have basic, post and bearer", style)
		}
	}
	for _, format := range c.Formats {
		if format != "form" && format != "json" {
			return fmt.Errorf("unknown format %q in Formats: it may have form and json", format)
		}
	}
	if len(c.Users) == 0 {
		return errors.New("no user in Users")
	}
	return nil
}

func (c Client) withDefaults() Client {
	c.RedirectURIs = slices.Clone(c.RedirectURIs)
	if c.Secret == "" && !c.Public {
		c.Secret = rand.Text()
	}
	return c
}

// mayReturnTo reports whether a redirect URI is one of the client's.
func (c Client) mayReturnTo(uri string) bool {
	if slices.Contains(c.RedirectURIs, uri) {
		return true
	}
	u, err := url.Parse(uri)
	if err != nil || !c.Public || u.Port() == "" {
		return false
	}
	if host := u.Hostname(); host != "127.0.0.1" && host != "::1" {
		return false
	}
	u.Host = u.Host[:len(u.Host)-len(":"+u.Port())]
	return slices.Contains(c.RedirectURIs, u.String())
}
