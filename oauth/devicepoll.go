package oauth

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"
)

// PollDevice asks once whether the person has agreed (RFC 8628 section 3.4), where token_request goes
// and as it authenticates. requested are the scopes that stand when the answer names none. An error that
// is [ErrPending] or [ErrSlowDown] is no failure; [DeviceAuthorization.Again] tells what follows.
func (c *Client) PollDevice(ctx context.Context, d DeviceAuthorization, requested []string) (TokenResponse, error) {
	r := c.Definition.TokenRequest
	r.Params = map[string]string{
		"grant_type": GrantTypeDevice, "device_code": "{{device_code}}",
		"client_id": "{{client_id}}", "client_secret": "{{client_secret}}",
	}
	got, err := c.do(ctx, AtDeviceToken, http.MethodPost, r, values{"device_code": d.DeviceCode.Reveal()})
	if err != nil {
		return TokenResponse{}, undecided(err)
	}
	answer, err := c.readToken(AtDeviceToken, r, got, requested)
	if err != nil {
		return TokenResponse{}, undecided(err)
	}
	return answer, nil
}

// undecided marks the two answers that mean: ask again. They come with 400 (RFC 8628 section 3.5), 200
// (GitHub), 428 and 403 (Google), or 429, so that only the code counts.
func undecided(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	switch e.Code {
	case "authorization_pending":
		e.Class, e.Err = Transient, ErrPending
	case "slow_down":
		e.Class, e.Err = Transient, ErrSlowDown
	default:
		return err
	}
	e.Uncertain, e.Advice = false, "The person has to open the page, enter the code and agree"
	return err
}

// Again takes what came of a poll, and gives nil where another one is to follow: then it has set
// Interval, which is never shorter than before. Otherwise it gives err itself, or why time is over.
//
// A provider that cannot be reached, or fails, is asked again, at double the interval (section 3.5). So
// is one whose answer was lost: the next poll is told that the code was used, at worst.
func (d *DeviceAuthorization) Again(err error, now time.Time) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok || e.Class != Transient:
		return err
	case errors.Is(err, ErrSlowDown):
		d.Interval += defaultInterval
	case !errors.Is(err, ErrPending):
		d.Interval *= 2
	}
	d.Interval = max(d.Interval, e.RetryAfter)
	if now.Add(d.Interval).Before(d.ExpiresAt) {
		return nil
	}
	late := &Error{At: AtDeviceToken, Class: Reconsent, Err: errors.New("nobody agreed before the code expired"), Advice: "Start again for another code"}
	if !errors.Is(err, ErrPending) && !errors.Is(err, ErrSlowDown) {
		late.Err = errors.New("the provider could not be asked before the code expired: " + e.Error())
	}
	return late
}

// redeems reports whether a code is spent at this place: the answer is read strictly, since it can be had
// again from the start, and the request is never repeated by the transport.
func redeems(at string) bool { return at == AtToken || at == AtDeviceToken }

// deviceClass is what the codes of RFC 8628 section 3.5 mean, and their dialects.
func deviceClass(code string) (Class, bool) {
	switch {
	case slices.Contains([]string{"access_denied", "authorization_declined" /* Microsoft */}, code):
		return UserChoice, true
	case slices.Contains([]string{
		"expired_token", "invalid_grant", "bad_verification_code",
		"incorrect_device_code", // GitHub
		"invalid_device_code", "token_expired",
	}, code):
		return Reconsent, true
	}
	return "", false
}
