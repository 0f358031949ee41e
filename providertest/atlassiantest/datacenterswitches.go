package atlassiantest

import "time"

// dataCenterKnobs is the table of switches of a Data Center product.
func dataCenterKnobs() []knob[DataCenterConfig] {
	type C = DataCenterConfig
	return []knob[C]{
		text("version", "a version", "Below Jira 8.22, Confluence 7.17 or Bitbucket 7.20 there is no OAuth 2.0 provider and its paths are 404; below 8.14, 7.9 or 5.5 personal access tokens are ignored.",
			func(c *C) *string { return &c.Version }, validVersion),
		text("context_path", "empty, or a path", "Many instances live below a path of their host. A client that replaces the path of the base URL in place of joining it asks outside, where everything is 404.",
			func(c *C) *string { return &c.ContextPath }, validContextPath),
		onOff("base_https", "The provider is off, its paths are 404, while the base URL has no HTTPS. That is a real product's default, which its system property skip.base.url.https.requirement lifts.",
			func(c *C) *bool { return &c.BaseHTTPS }),
		onOff("redirect_https", "Redirect URIs without HTTPS are refused on a page, http://localhost too. That is a real product's default, which its system property skip.redirect.url.https.requirement lifts.",
			func(c *C) *bool { return &c.RedirectHTTPS }),
		span("code_life", "Codes live 10 seconds, up to 10 minutes by a system property: a code that a person copies comes too late.",
			func(c *C) *time.Duration { return &c.CodeLifetime }),
		span("access_life", "How long access tokens live. The documents show one hour and two.",
			func(c *C) *time.Duration { return &c.AccessLifetime }),
		span("inactivity", "How long a refresh token lives unused.",
			func(c *C) *time.Duration { return &c.Inactivity }),
		choice("refresh_redirect", "The documents send redirect_uri with a refresh. Some clients report that it is demanded, with invalid_grant and no word more when it is missing; others never send it.",
			func(c *C) *string { return &c.RefreshRedirect }, "checked", "required", "ignored"),
		choice("reuse", "What a refresh token does that was replaced already: there is no leeway here. Whether its successor dies too is not known.",
			func(c *C) *string { return &c.Reuse }, "refused", "kills"),
		choice("scope_refusal", "A scope that the product does not know, one of Cloud's for example, or one above the link's setting is invalid_scope and no consent page appears. It goes back to the client, or stays on a page while the client waits.",
			func(c *C) *string { return &c.ScopeRefusal }, "redirect", "page"),
		onOff("token_scope", "The token's answer says the scope, which real ones may leave out: then it is as requested.",
			func(c *C) *bool { return &c.TokenScope }),
		choice("anonymous", "What comes of credentials that are not accepted is not an error but nobody's access: 401 where a login is needed, 200 with less data elsewhere. Behind single sign-on it is a redirect to a login page, or that page itself with 200.",
			func(c *C) *string { return &c.Anonymous }, "nobody", "login", "page"),
		onOff("no_basic", "Passwords are refused with 403, as at sites with single sign-on.",
			func(c *C) *bool { return &c.NoBasic }),
		onOff("client_credentials", "The newest versions serve client_credentials for service accounts, without a refresh token; older ones answer unsupported_grant_type.",
			func(c *C) *bool { return &c.ClientCredentials }),
		onOff("secret_rotated", "The link's secret is refused with invalid_client: the administrator has made a new one, or it was copied wrongly. No user can mend that.",
			func(c *C) *bool { return &c.SecretRotated }),
		onOff("limited", "The rate limiter answers API requests with 429, Retry-After and its own four headers, which are not those of Cloud.",
			func(c *C) *bool { return &c.Limited }),
	}
}

// Set turns a switch; see [Switch]. An unknown name and a value that it cannot
// have are errors, and change nothing.
func (s *DataCenter) Set(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := turn(dataCenterKnobs(), &s.config, name, value); err != nil {
		return err
	}
	s.follow()
	return nil
}

// Switches lists the switches as they are now.
func (s *DataCenter) Switches() []Switch {
	s.mu.Lock()
	defer s.mu.Unlock()
	untouched := DataCenterConfig{Product: s.config.Product}.withDefaults()
	return list(dataCenterKnobs(), &s.config, &untouched)
}

// follow brings the ledger's rules in line with the switches.
func (s *DataCenter) follow() {
	s.families.Inactivity = s.config.Inactivity
	s.families.Spare = s.config.Reuse == "refused"
}
