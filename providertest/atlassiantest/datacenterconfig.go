package atlassiantest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// Products of a [DataCenter].
const (
	Jira       = "jira"
	Confluence = "confluence"
	Bitbucket  = "bitbucket"
)

// DataCenterConfig says whom a [DataCenter] knows and how it behaves. The zero
// one is a working Jira with one application link and three users.
type DataCenterConfig struct {
	Product string // [Jira] (default), [Confluence] or [Bitbucket]
	// Version is the product's; default: a current one. The OAuth 2.0 provider
	// came with Jira 8.22, Confluence 7.17 and Bitbucket 7.20, personal access
	// tokens with Jira 8.14, Confluence 7.9 and Bitbucket 5.5: an older version
	// has none.
	Version string
	// ContextPath is where the product lives at its host, "/jira"; default: at
	// the root. Outside of it everything is 404.
	ContextPath string

	Links []Link // application links; default: [DefaultLink]
	Users []User // default: [DefaultUsers]

	Clock    func() time.Time      // default: time.Now
	Decision providertest.Decision // what the person does at first; default: asked by pages

	AccessLifetime time.Duration // in whole seconds; default 1 h
	CodeLifetime   time.Duration // default 10 s
	Inactivity     time.Duration // of refresh tokens; default 90 days, negative: none

	// BaseHTTPS turns the provider off unless it is reached over HTTPS, and
	// RedirectHTTPS refuses redirect URIs without HTTPS. Both rules hold in a
	// real product until the administrator lifts them by system properties;
	// here they are lifted, so that tests can do without certificates.
	BaseHTTPS, RedirectHTTPS bool
	// RefreshRedirect is what a refresh does with redirect_uri, about which
	// clients disagree: "checked" when it is sent (default), "required" or
	// "ignored".
	RefreshRedirect string
	// Reuse is what a replaced refresh token does that comes again: it is
	// "refused" (default), or "kills" what replaced it too.
	Reuse string
	// ScopeRefusal is where invalid_scope is said: by "redirect" to the client
	// (default, RFC 6749 section 4.1.2.1) or on a "page".
	ScopeRefusal string
	// TokenScope puts the scope into the token's answer, where real ones lack it.
	TokenScope bool
	// Anonymous is what a request gets whose credentials are missing or not
	// accepted: it is served as nobody's ("nobody", default: 401 where a login
	// is needed, less data elsewhere), sent to "login" (302), or answered 200
	// with the "page" of a login wall.
	Anonymous string
	// NoBasic refuses passwords with 403, as sites with single sign-on do.
	NoBasic bool
	// ClientCredentials serves that grant, which only the newest versions have.
	ClientCredentials bool
	// SecretRotated refuses the secret of every link: the administrator made a
	// new one.
	SecretRotated bool
	// Limited answers every API request with 429 and the headers of the rate limiter.
	Limited bool
}

// Link is an incoming application link: what a client is registered as.
type Link struct {
	ID, Secret string // made up when empty, 32 and 64 hexadecimal digits; see [DataCenter.Link]
	Name       string
	Redirects  []string // exact matches; default: [DefaultCallback]
	Scope      string   // the highest that may be asked for; default SYSTEM_ADMIN
	// ServiceUser is who the link acts as by client_credentials; default: the first user.
	ServiceUser string
}

// User is a person with an account of the product. The password is the name.
type User struct {
	Name     string // signs in with it, and with it as password
	FullName string
	Email    string
	// Level is what the person may do at most: READ, WRITE, ADMIN or SYSTEM_ADMIN.
	Level string
}

// DefaultLink is the application link of the zero DataCenterConfig.
func DefaultLink() Link {
	return Link{ID: "5a0d00000000400080000000000dc001", Name: "Keybearer sandbox link"}
}

// DefaultUsers are alice, who may do everything, bob, who may write, and
// carol, who may only look.
func DefaultUsers() []User {
	return []User{
		{Name: "alice", FullName: "Alice Adams", Email: "alice@example.com", Level: "SYSTEM_ADMIN"},
		{Name: "bob", FullName: "Bob Brown", Email: "bob@example.com", Level: "WRITE"},
		{Name: "carol", FullName: "Carol Clark", Email: "carol@example.com", Level: "READ"},
	}
}

// withDefaults returns a copy with every zero field filled in.
func (c DataCenterConfig) withDefaults() DataCenterConfig {
	c.Links, c.Users = slices.Clone(c.Links), slices.Clone(c.Users)
	orElse := func(field *string, otherwise string) {
		if *field == "" {
			*field = otherwise
		}
	}
	orElse(&c.Product, Jira)
	orElse(&c.Version, map[string]string{Jira: "10.3.2", Confluence: "9.2.1", Bitbucket: "9.4.3"}[c.Product])
	orElse(&c.RefreshRedirect, "checked")
	orElse(&c.Reuse, "refused")
	orElse(&c.ScopeRefusal, "redirect")
	orElse(&c.Anonymous, "nobody")
	if len(c.Links) == 0 {
		c.Links = []Link{DefaultLink()}
	}
	if len(c.Users) == 0 {
		c.Users = DefaultUsers()
	}
	for i := range c.Links {
		c.Links[i] = c.Links[i].withDefaults(c.Users[0].Name)
	}
	c.AccessLifetime = duration(c.AccessLifetime, time.Hour)
	c.CodeLifetime = duration(c.CodeLifetime, 10*time.Second)
	c.Inactivity = duration(c.Inactivity, 90*24*time.Hour)
	return c
}

func (l Link) withDefaults(user string) Link {
	l.Redirects = slices.Clone(l.Redirects)
	if l.ID == "" {
		l.ID = hexText(32)
	}
	if l.Secret == "" {
		l.Secret = hexText(64)
	}
	if l.Name == "" {
		l.Name = l.ID
	}
	if l.Redirects == nil {
		l.Redirects = []string{DefaultCallback}
	}
	if l.Scope == "" {
		l.Scope = "SYSTEM_ADMIN"
	}
	if l.ServiceUser == "" {
		l.ServiceUser = user
	}
	return l
}

func hexText(digits int) string {
	raw := make([]byte, digits/2)
	_, _ = rand.Read(raw) // never fails
	return fmt.Sprintf("%x", raw)
}

func (c DataCenterConfig) check() error {
	if !slices.Contains(Products(), c.Product) {
		return fmt.Errorf("unknown Product %q: it must be one of %s", c.Product, strings.Join(Products(), ", "))
	}
	untouched := c
	for _, k := range dataCenterKnobs() {
		if err := k.set(&untouched, k.get(&c)); err != nil {
			return fmt.Errorf("switch %s: %w", k.name, err)
		}
	}
	seen := map[string]bool{}
	for _, l := range c.Links {
		if seen[l.ID] {
			return fmt.Errorf("there are two links with the id %q", l.ID)
		}
		seen[l.ID] = true
		if c.rank(l.Scope) == 0 {
			return fmt.Errorf("link %s has the scope %q, which %s does not know", l.Name, l.Scope, c.Product)
		}
	}
	for _, u := range c.Users {
		if level(u.Level) == 0 {
			return fmt.Errorf("user %s has the level %q: it must be READ, WRITE, ADMIN or SYSTEM_ADMIN", u.Name, u.Level)
		}
	}
	return nil
}

// levels are the scopes of Jira and Confluence, and what the people of every
// product may do; each includes those before it.
func levels() []string { return []string{"READ", "WRITE", "ADMIN", "SYSTEM_ADMIN"} }

// Products are those of a Data Center.
func Products() []string { return []string{Jira, Confluence, Bitbucket} }

// rank orders the scopes of the product among the levels; 0 means that there
// is none of that name. Bitbucket's are finer, and include each other only in
// part: here those of one rank are as good as each other.
func (c *DataCenterConfig) rank(scope string) int {
	if c.Product != Bitbucket {
		return level(scope)
	}
	return map[string]int{
		"PUBLIC_REPOS": 1, "ACCOUNT_WRITE": 1, "REPO_READ": 1, "REPO_WRITE": 2,
		"REPO_ADMIN": 3, "PROJECT_ADMIN": 3, "ADMIN_WRITE": 3, "SYSTEM_ADMIN": 4,
	}[scope]
}

// level ranks what a person may do; 0 means that there is none of that name.
func level(scope string) int { return slices.Index(levels(), scope) + 1 }

// validVersion accepts "9.4" and "9.4.14".
func validVersion(v string) error {
	parts := strings.Split(v, ".")
	for _, part := range parts {
		if _, err := strconv.ParseUint(part, 10, 16); err != nil || len(parts) < 2 {
			return errors.New("it is a version such as 9.4 or 10.3.2")
		}
	}
	return nil
}

// validContextPath accepts nothing and "/jira".
func validContextPath(p string) error {
	if p != "" && (!strings.HasPrefix(p, "/") || strings.HasSuffix(p, "/") || strings.ContainsAny(p, "?#% ")) {
		return errors.New("it is empty or a path such as /jira, without a slash at its end")
	}
	return nil
}

// since reports whether the product is at least of a version, of which each
// has its own.
func (c *DataCenterConfig) since(jira, confluence, bitbucket [2]int) bool {
	want := map[string][2]int{Jira: jira, Confluence: confluence, Bitbucket: bitbucket}[c.Product]
	parts := strings.Split(c.Version, ".")
	major, _ := strconv.Atoi(parts[0]) // checked by validVersion
	minor, _ := strconv.Atoi(parts[1])
	return major > want[0] || major == want[0] && minor >= want[1]
}

func (c *DataCenterConfig) hasProvider() bool {
	return c.since([2]int{8, 22}, [2]int{7, 17}, [2]int{7, 20})
}

func (c *DataCenterConfig) hasPATs() bool { return c.since([2]int{8, 14}, [2]int{7, 9}, [2]int{5, 5}) }
