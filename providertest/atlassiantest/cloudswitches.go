package atlassiantest

import (
	"net/http"
	"time"
)

// cloudKnobs is the table of switches of Atlassian Cloud.
func cloudKnobs() []knob[Config] {
	type C = Config
	return []knob[C]{
		span("code_life", "How long codes live. Atlassian publishes nothing; ten minutes or less were named, failures after a few minutes were seen.",
			func(c *C) *time.Duration { return &c.CodeLifetime }),
		span("access_life", "How long access tokens live.",
			func(c *C) *time.Duration { return &c.AccessLifetime }),
		span("inactivity", "How long a refresh token lives unused; every use begins it anew.",
			func(c *C) *time.Duration { return &c.Inactivity }),
		span("absolute", "How long a family of refresh tokens lives however busy it is. An earlier text of Atlassian's says 365 days, the present one says nothing: 0 is for that.",
			func(c *C) *time.Duration { return &c.Absolute }),
		span("leeway", "How long a rotated refresh token may come again; 0 makes every reuse fatal.",
			func(c *C) *time.Duration { return &c.Leeway }),
		choice("leeway_answer", "What a rotated token gets within the leeway is not documented: a fresh pair beside the first one, or the refresh token that replaced it.",
			func(c *C) *string { return &c.LeewayAnswer }, "sibling", "successor"),
		choice("dead_grant", "Dead refresh tokens and codes are refused in the words that were measured, or in those of the documents.",
			func(c *C) *string { return &c.DeadGrant }, "unauthorized_client", "invalid_grant"),
		onOff("check_verifier", "The PKCE verifier is checked. Whether Atlassian does is not known; it demands the secret in any case.",
			func(c *C) *bool { return &c.CheckVerifier }),
		status("me_refusal", "The status of /me without the scope read:me.",
			func(c *C) *int { return &c.MeRefusal }, http.StatusForbidden, http.StatusUnauthorized),
		status("foreign_site", "The status of the gateway for a site that exists, but not for this token. Which of the two is not documented; one that does not exist is always 404.",
			func(c *C) *int { return &c.ForeignSite }, http.StatusNotFound, http.StatusUnauthorized),
		onOff("account_level", "A consent is for every site of the account, as with apps that were created with account-level grants; otherwise the person chooses, and must come again for another site.",
			func(c *C) *bool { return &c.AccountLevel }),
		onOff("secret_rotated", "The app's secret is refused, in the word of a declined consent: its owner has made a new one. No user can mend that, and no grant is over.",
			func(c *C) *bool { return &c.SecretRotated }),
		onOff("private_apps", "Sharing of the app is not turned on: anybody but its owner ends on a page, and nothing comes back.",
			func(c *C) *bool { return &c.PrivateApps }),
		choice("limited", "Every API request is refused with 429: burst for the endpoint, per_issue for writes to an issue, tenant for the site, global for the app at all sites; reset says the end in X-RateLimit-Reset only, silent nothing.",
			func(c *C) *string { return &c.Limited }, limitKinds()...),
		number("points", "The points that an app may spend in an hour, at all sites together; real ones have 65,000. Under a fifth of it answers carry X-RateLimit-NearLimit. API tokens spend none.",
			func(c *C) *int { return &c.Points }),
		number("burst", "The requests of one method and path that a site takes in a second; real ones take 100 for most.",
			func(c *C) *int { return &c.Burst }),
		number("max_url", "The longest URL in bytes that the authorize page accepts; beyond it CloudFront answers 414, because of too many scopes mostly.",
			func(c *C) *int { return &c.MaxURL }),
	}
}

// Set turns a switch; see [Switch]. An unknown name and a value that it cannot
// have are errors, and change nothing.
func (s *Server) Set(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := turn(cloudKnobs(), &s.config, name, value); err != nil {
		return err
	}
	s.follow()
	return nil
}

// Switches lists the switches as they are now.
func (s *Server) Switches() []Switch {
	s.mu.Lock()
	defer s.mu.Unlock()
	untouched := Config{}.withDefaults()
	return list(cloudKnobs(), &s.config, &untouched)
}

// follow brings the ledger's rules in line with the switches.
func (s *Server) follow() {
	s.families.Leeway, s.families.Successor = s.config.Leeway, s.config.LeewayAnswer == "successor"
	s.families.Inactivity, s.families.Absolute = s.config.Inactivity, s.config.Absolute
}
