package providertest

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"
)

// Endpoint names a place where requests arrive and where faults can be set.
type Endpoint string

// The endpoints of both servers. Callback is the redirect back to the client:
// no request arrives there, but what was sent is recorded and can be bent.
const (
	Authorize  Endpoint = "authorize"
	Consent    Endpoint = "consent" // the forms of the login and consent pages
	Callback   Endpoint = "callback"
	Token      Endpoint = "token"
	Device     Endpoint = "device"   // the device authorization endpoint
	Userinfo   Endpoint = "userinfo" // Atlassian's /me as well
	Introspect Endpoint = "introspect"
	Revoke     Endpoint = "revoke"
	Discovery  Endpoint = "discovery"
	Sites      Endpoint = "sites" // Atlassian's accessible-resources
	API        Endpoint = "api"   // the product APIs behind Atlassian's gateway
)

// Outcome says how a request ended.
type Outcome string

// Outcomes of records. The token endpoint uses the second group as well.
const (
	Pending  Outcome = "pending"  // arrived, not answered yet
	Served   Outcome = "served"   // answered as asked
	Refused  Outcome = "refused"  // answered with an error of the server's own
	Faulted  Outcome = "faulted"  // a fault answered before any work was done
	Asked    Outcome = "asked"    // a page was shown to a person
	Approved Outcome = "approved" // consent was given, a code was issued
	Declined Outcome = "declined" // consent was declined

	Redeemed   Outcome = "redeemed"    // a code was spent for tokens
	CodeReused Outcome = "code_reused" // a spent code came again
	Rotated    Outcome = "rotated"     // a refresh token was replaced
	Kept       Outcome = "kept"        // a refresh token was used, rotation is off
	Leeway     Outcome = "leeway"      // a rotated refresh token came again, in time
	Reused     Outcome = "reused"      // a rotated refresh token came again: family killed
	DeadGrant  Outcome = "dead"        // a refresh token that cannot work any more
)

// Record is one request in the history. Secrets in Params (client secret,
// code, verifier, tokens, passwords, state) are replaced by [Hash] of them.
type Record struct {
	N           int                 `json:"n"` // counts from 1
	Time        time.Time           `json:"time"`
	Endpoint    Endpoint            `json:"endpoint"`
	Method      string              `json:"method,omitempty"`
	Path        string              `json:"path,omitempty"`
	ContentType string              `json:"content_type,omitempty"`
	Accept      string              `json:"accept,omitempty"`
	UserAgent   string              `json:"user_agent,omitempty"`
	Params      map[string][]string `json:"params,omitempty"`
	// QueryParams are those of a POST that stood in its URL.
	QueryParams map[string][]string `json:"query_params,omitempty"`

	Client string `json:"client,omitempty"` // client id
	Auth   string `json:"auth,omitempty"`   // none, basic, post, both, bearer
	Grant  string `json:"grant,omitempty"`  // grant_type
	User   string `json:"user,omitempty"`
	Family string `json:"family,omitempty"` // refresh family, when one is concerned

	Fault   string  `json:"fault,omitempty"` // the fault that was in force
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"` // error code that was answered
	// Reason is the server's own one for a refusal, finer than Error.
	Reason string `json:"reason,omitempty"`
	Status int    `json:"status,omitempty"` // 0 when the connection was closed without an answer
}

// Param returns the first value of a parameter, hashed if it is a secret.
func (r Record) Param(name string) string {
	if vs := r.Params[name]; len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// Hash returns what the history shows in place of a secret, so that a test can
// compare one that it knows.
func Hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// secretParam reports whether the history must not show a parameter's value.
func secretParam(name string) bool {
	switch name {
	case "client_secret", "code", "code_verifier", "device_code", "refresh_token", "access_token", "token",
		"password", "state", "client_assertion", "assertion", "id_token", "tx":
		return true
	}
	return false
}

func hashed(params map[string][]string) map[string][]string {
	if len(params) == 0 {
		return nil
	}
	out := make(map[string][]string, len(params))
	// A plain challenge is the verifier itself (RFC 7636 section 4.2).
	plain := !slices.Contains(params["code_challenge_method"], "S256")
	for name, values := range params {
		values = slices.Clone(values)
		if secretParam(name) || plain && name == "code_challenge" {
			for i, v := range values {
				values[i] = Hash(v)
			}
		}
		for i, v := range values {
			values[i] = v[:min(len(v), maxShown)]
		}
		out[name] = values
	}
	return out
}

// maxShown bounds, in bytes, what the history keeps of one value.
const maxShown = 4 << 10
