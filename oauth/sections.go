package oauth

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// minIdleExpiry is the shortest idle expiry that is not taken for a mistake: keeping a grant alive must
// not become a refresh every other minute.
const minIdleExpiry = 10 * time.Minute

// What is to be checked in particular sections of a definition.

func (c *checker) pkce(p PKCE) {
	if m := p.CodeChallengeMethod; m != "" && m != "S256" {
		c.fail("the only supported method is S256 (RFC 7636 section 4.2 forbids falling back to plain)", "pkce", "code_challenge_method")
	}
	switch {
	case p.On():
	case c.options.PublicClient:
		c.fail("a client without client_secret needs PKCE: set pkce.enabled to true, or give the client_secret", "pkce")
	default:
		c.warn("PKCE is off: set pkce.enabled to true unless this server refuses it (RFC 9700 section 2.1.1)", "pkce")
	}
}

func (c *checker) authorize(r Request) {
	c.needed("authorize_request", r)
	c.request("authorize_request", r)
	if r.Params != nil && !mentions(r.Params, "client_id") && r.Params["client_id"] == "" {
		c.warn(`there is no client_id among them, and they are all that is sent: most servers want response_type: code, `+
			`client_id: "{{client_id}}", redirect_uri: "{{redirect_uri}}" and scope: "{{scopes}} {{existing_scopes}}"`, "authorize_request", "params")
	}
	if r.Method == "POST" {
		c.fail("the browser is redirected there, which is always GET", "authorize_request", "method")
	}
}

func (c *checker) exchange(r Request) {
	c.needed("token_request", r)
	c.tokenRequest("token_request", r)
	if r.AuthMethod == AuthBearerAccessToken {
		c.fail("there is no access token yet at this request", "token_request", "auth_method")
	}
}

func (c *checker) tokenRequest(name string, r Request) {
	c.request(name, r)
	c.mapKeys(name, r.ResponseMap, tokenFieldNames()...)
	if r.Method == "GET" {
		c.warn("with GET the secrets stand in the URL, which servers write into their logs: use POST if this one takes it", name, "method")
	}
}

func (c *checker) userInfo(u UserInfo) {
	c.needed("user_info_request", u.Request)
	c.request("user_info_request", u.Request)
	if u.AuthMethod != "" && u.AuthMethod != AuthBearerAccessToken {
		c.fail("the only supported value is bearer_access_token", "user_info_request", "auth_method")
	}
	if u.Triggers == nil {
		c.warn("user info is never asked for: say when, like triggers: {on_token_grant: true, on_token_refresh: false}", "user_info_request", "triggers")
	}
}

func (c *checker) introspection(i Introspection) {
	c.needed("token_introspection_request", i.Request)
	c.request("token_introspection_request", i.Request)
	c.oneOf(i.ExpirationFormat, []string{ExpirationAbsolute, ExpirationRelative}, "token_introspection_request", "expiration_format")
	c.mapKeys("token_introspection_request", i.ResponseMap, "expires_in", "scope")
	if i.Triggers == nil {
		c.fail("say when to introspect, like triggers: {on_token_grant: true, on_token_refresh: true}", "token_introspection_request", "triggers")
	}
}

func (c *checker) refreshing(d *Definition) {
	p := d.Refresh
	c.oneOf(p.Ahead, []string{AheadUsed, AheadAlways, AheadNever}, "refresh", "ahead")
	if p.Rate < 0 || p.Rate > maxRate {
		c.fail("allowed: 1 to "+strconv.Itoa(maxRate)+" in a second", "refresh", "rate")
	}
	if p.IdleExpiry != 0 && p.IdleExpiry.D() < minIdleExpiry {
		c.fail("allowed: "+minIdleExpiry.String()+" and more; leave it out where nobody knows", "refresh", "idle_expiry")
	}
	if p.SharedFate() && !d.AsksUserInfo(AtToken) {
		c.warn("which connections are of one account is known only from user info: set user_info_request with triggers: {on_token_grant: true}", "refresh", "one_grant_per_account")
	}
}

func (c *checker) rule(index string, r ErrorRule) {
	c.oneOf(r.On, []string{AtCallback, AtToken, AtRefresh, AtUserInfo, AtSites, AtDevice, AtDeviceToken}, "errors", index, "on")
	if !slices.Contains([]Class{Reconsent, Misconfigured, ScopeMissing, Transient, UserChoice}, r.Class) {
		c.fail("use reconsent, config, scope, transient or user", "errors", index, "class")
	}
	if r.Status == 0 && r.Code == "" && r.Description == "" {
		c.fail("a rule needs a condition: status, code or description", "errors", index)
	}
}

// product refuses a product that the kind does not have, or none where there are several.
func (c *checker) product(d *Definition) {
	products := slices.Sorted(maps.Keys(d.Products))
	_, known := d.Products[d.Product]
	switch {
	case known:
	case len(products) > 0 && d.Product == "":
		c.fail("say which product the server is: "+strings.Join(products, ", "), "product")
	case len(products) > 0:
		c.fail("allowed: "+strings.Join(products, ", "), "product")
	case d.Product != "":
		c.fail("this kind of provider has no products: remove it", "product")
	}
}

// serverURL looks at the URL that the endpoints are built on, once for all of them.
func (c *checker) serverURL(d *Definition) {
	isOpen := func(endpoint string) bool { return strings.HasPrefix(endpoint, serverPlaceholder) }
	on := func(endpoint string) bool { return strings.HasPrefix(endpoint, d.ServerURL+"/") }
	endpoints := d.endpoints()
	if d.ServerURL == "" {
		if slices.ContainsFunc(endpoints, isOpen) {
			c.server = serverPlaceholder
			c.fail("say where the server is: its base URL with the context path, if it has one, like https://jira.example.com/jira", "server_url")
		}
		return
	}
	err := CheckEndpoint(d.ServerURL, c.options.AllowHTTP)
	switch {
	case err == nil && strings.ContainsAny(d.ServerURL, "?{}"):
		err = errors.New("a base URL has no query and no placeholders")
	case err == nil && !slices.ContainsFunc(endpoints, on):
		err = errors.New("no endpoint of this provider is built on it: remove it, or choose a kind of provider that has servers of one's own, like atlassian-data-center")
	}
	if err != nil {
		c.server = d.ServerURL
		c.fail(err.Error(), "server_url")
	}
}
