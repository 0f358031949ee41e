package providertest

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// grantTypeDevice is the grant type of RFC 8628 section 3.4.
const grantTypeDevice = "urn:ietf:params:oauth:grant-type:device_code"

// slowDown is what a poll that comes too early adds to the interval, for good (RFC 8628 section 3.5).
const slowDown = 5 * time.Second

// device is a device authorization that waits for a person.
type device struct {
	client   string
	scopes   []string
	interval time.Duration
	asked    time.Time // when it was issued, or polled last
	expires  time.Time
	answer   string // "approve" or "decline", once the person has decided
	user     string
	spent    bool
}

// devices are the ones that wait, under both of their codes.
type devices struct {
	byCode, byUserCode *ledger.Book[*device]
}

func newDevices() devices {
	return devices{ledger.NewBook[*device](1000), ledger.NewBook[*device](1000)}
}

// authorizeDevice is the device authorization endpoint (RFC 8628 section 3.1).
func (s *Server) authorizeDevice(c *Call) *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	client, answer := s.caller(c, s.config.Formats)
	if answer != nil {
		return answer
	}
	now := s.Now()
	d := &device{
		client: client.ID, scopes: s.scopesAsked(c), interval: s.config.PollInterval,
		asked: now, expires: now.Add(s.config.DeviceLifetime),
	}
	for _, scope := range d.scopes {
		if s.config.Scopes != nil && !slices.Contains(s.config.Scopes, scope) && scope != s.config.OfflineScope {
			return refused(c, http.StatusBadRequest, "invalid_scope", "scope_unknown", "A scope is not known here: "+scope)
		}
	}
	code, userCode := "test-device-"+rand.Text(), newUserCode()
	s.devices.byCode.Put(code, d)
	s.devices.byUserCode.Put(userCode, d)
	c.Record.Outcome = Asked
	page := c.Base() + "/device"
	return JSON(http.StatusOK, map[string]any{
		"device_code": code, "user_code": userCode,
		"verification_uri": page, "verification_uri_complete": page + "?user_code=" + userCode,
		"expires_in": int64(s.config.DeviceLifetime / time.Second), "interval": int64(s.config.PollInterval / time.Second),
	})
}

// newUserCode draws one of the kind that RFC 8628 section 6.1 recommends: letters that spell nothing.
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	var b [8]byte
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:4]) + "-" + string(b[4:])
}

// poll is the token endpoint for a device code (RFC 8628 sections 3.4 and 3.5). It is strict about the
// interval, which begins when the code is issued.
func (s *Server) poll(c *Call, client Client) *Answer {
	now := s.Now()
	d, known := s.devices.byCode.Get(c.Get("device_code"))
	wait := func(code, reason string) *Answer {
		return refused(c, cmp.Or(s.config.PollStatus, http.StatusBadRequest), code, reason, "No token: "+code+".")
	}
	switch {
	case !known || d.client != client.ID:
		return wait("invalid_grant", "device_code_unknown")
	case d.spent:
		return wait("invalid_grant", "device_code_spent")
	case !now.Before(d.expires):
		return wait("expired_token", "device_code_expired")
	case now.Sub(d.asked) < d.interval:
		d.asked, d.interval = now, d.interval+slowDown
		return wait("slow_down", "polled_too_early")
	}
	d.asked = now
	s.decideNow(d)
	switch d.answer {
	case "decline":
		c.Record.Outcome, c.Record.User = Declined, d.user
		return wait("access_denied", "declined")
	case "":
		return wait("authorization_pending", "undecided")
	}
	d.spent = true
	return s.redeemDevice(c, client, d)
}

func (s *Server) redeemDevice(c *Call, client Client, d *device) *Answer {
	scopes := d.scopes
	if s.config.Grant != nil {
		scopes = s.config.Grant(d.user, slices.Clone(scopes))
	}
	family, refreshToken := s.families.Start(client.ID, d.user, scopes, s.Now())
	if s.config.OfflineScope != "" && !slices.Contains(scopes, s.config.OfflineScope) {
		refreshToken = ""
	}
	c.Record.Outcome, c.Record.User, c.Record.Family = Redeemed, d.user, family.ID
	return JSON(http.StatusOK, s.issue(client, family, scopes, refreshToken, s.Now()))
}

// decideNow lets the machine click, if it is one.
func (s *Server) decideNow(d *device) {
	decision := s.Decision()
	if d.answer == "" && (decision.Answer == "approve" || decision.Answer == "decline") {
		d.answer, d.user = decision.Answer, cmp.Or(decision.User, s.config.Users[0].Name)
	}
}

// DecideDevice is what a person does on the verification page: user enters the code and approves or
// declines. Upper and lower case, and the hyphen, do not matter.
func (s *Server) DecideDevice(userCode, user string, approve bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.user(user); !ok {
		return fmt.Errorf("there is no user %q", user)
	}
	d, ok := s.devices.byUserCode.Get(tidyUserCode(userCode))
	if !ok || d.answer != "" || !s.Now().Before(d.expires) {
		return fmt.Errorf("no device waits with this code: it is wrong, was used, or has expired")
	}
	d.user, d.answer = user, "decline"
	if approve {
		d.answer = "approve"
	}
	return nil
}

func tidyUserCode(typed string) string {
	code := strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(typed))
	if len(code) != 8 {
		return ""
	}
	return code[:4] + "-" + code[4:]
}
