package atlassiantest

import (
	"errors"
	"strconv"
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
		{
			name: "me_refusal", values: "403, 401", reason: "The status of /me without the scope read:me.",
			get: func(c *C) string { return strconv.Itoa(c.MeRefusal) },
			set: func(c *C, value string) error {
				if value != "403" && value != "401" {
					return errors.New("it can be 403, 401")
				}
				c.MeRefusal, _ = strconv.Atoi(value) // one of two numbers
				return nil
			},
		},
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
