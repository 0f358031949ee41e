package providertest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// codes asks for a device code.
func (b *bench) codes() (deviceCode, userCode string) {
	b.t.Helper()
	var answer struct {
		DeviceCode string `json:"device_code"`
		UserCode   string `json:"user_code"`
		Page       string `json:"verification_uri_complete"`
	}
	r := b.post("/device_authorization", b.authenticated(url.Values{"scope": {"read"}}))
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || r.status != http.StatusOK || answer.Page != b.server.URL+"/device?user_code="+answer.UserCode {
		b.t.Fatalf("got %d %v", r.status, err)
	}
	return answer.DeviceCode, answer.UserCode
}

// poll asks for the token, and gives the error code, or "" for a token.
func (b *bench) poll(deviceCode string) string {
	b.t.Helper()
	r := b.post("/token", b.authenticated(url.Values{"grant_type": {deviceGrant}, "device_code": {deviceCode}}))
	var answer struct {
		Error       string
		AccessToken string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(r.body), &answer); err != nil || (answer.Error == "") != (answer.AccessToken != "") {
		b.t.Fatalf("got %d, %v: neither an error nor a token, or both", r.status, err)
	}
	return answer.Error
}

func TestDeviceGetsATokenOnceThePersonAgrees(t *testing.T) {
	b := start(t, providertest.Config{})
	b.server.Ask()
	device, user := b.codes()
	for step, want := range []string{"slow_down", "slow_down", "authorization_pending", "slow_down"} {
		if step == 2 {
			b.server.Advance(15 * time.Second) // five, and five for each poll that came too early
		}
		if got := b.poll(device); got != want {
			t.Fatalf("poll %d: got %q, want %q", step+1, got, want)
		}
	}
	if !strings.Contains(b.get(b.server.URL+"/device?user_code="+user).body, `value="`+user+`"`) {
		t.Error("the page does not show the code of its address")
	}
	form := url.Values{"user_code": {"wrong"}, "username": {"alice"}, "password": {"alice"}, "decision": {"accept"}}
	if r := b.post("/device", form); r.status != http.StatusBadRequest {
		t.Errorf("a wrong code: got %d", r.status)
	}
	form.Set("user_code", strings.ToLower(strings.ReplaceAll(user, "-", "")))
	form.Set("password", "bob")
	if r := b.post("/device", form); r.status != http.StatusUnauthorized {
		t.Errorf("a wrong password: got %d", r.status)
	}
	form.Set("password", "alice")
	if r := b.post("/device", form); r.status != http.StatusOK {
		t.Errorf("the code without its hyphen, in lower case: got %d", r.status)
	}
	b.server.Advance(20 * time.Second)
	if got := b.poll(device); got != "" {
		t.Fatalf("got %q, want a token", got)
	}
	b.server.Advance(20 * time.Second)
	if got := b.poll(device); got != "invalid_grant" || b.server.History().Redeemed() != 1 {
		t.Errorf("the second time: got %q", got)
	}
	for _, r := range b.server.History().All() {
		if shown := r.Param("device_code"); shown != "" && shown != providertest.Hash(device) {
			t.Errorf("the history shows the device code at %s", r.Endpoint)
		}
	}
}

func TestDeviceCodeEnds(t *testing.T) {
	b := start(t, providertest.Config{DeviceLifetime: time.Minute, PollStatus: http.StatusOK})
	b.server.Ask()
	device, user := b.codes()
	other, another := b.codes()
	if err := b.server.DecideDevice(user, "alice", false); err != nil {
		t.Fatal(err)
	}
	if b.server.DecideDevice(user, "alice", true) == nil || b.server.DecideDevice(another, "mallory", true) == nil {
		t.Error("want one decision, of somebody who is known")
	}
	b.server.Advance(5 * time.Second)
	if got := b.poll(device); got != "access_denied" {
		t.Errorf("got %q, want that the person declined", got)
	}
	b.server.Advance(55 * time.Second)
	if got := b.poll(other); got != "expired_token" || b.server.DecideDevice(another, "alice", true) == nil {
		t.Errorf("got %q, want an end after a minute, on the page as well", got)
	}
	if got := b.poll("never-issued"); got != "invalid_grant" {
		t.Errorf("got %q", got)
	}
}
