package keybearer

import (
	"slices"
	"time"

	"github.com/keybearer/keybearer/seal"
)

// AuthorizationID names an authorization towards the app: "ac_" and 26 random characters for a
// flow, or "ac_" and a ConnectionID where no flow was needed. It is not a secret, but unguessable.
type AuthorizationID string

// FlowID names a flow towards the user verifier: "af_" and 26 random characters. It is drawn when
// the browser comes back from the provider, so that whoever started the flow cannot know it:
// knowing it is what proves that a browser has consented.
type FlowID string

// FlowState is where a flow is in its life.
type FlowState string

// The states of a flow; flowMoves below is the whole state machine, and docs/state-machine.md its picture.
const (
	FlowPending    FlowState = "pending"    // waiting for the user at the provider
	FlowExchanging FlowState = "exchanging" // the callback arrived; the code is being redeemed
	FlowVerifying  FlowState = "verifying"  // tokens are here; waiting for the proof of who consented
	FlowCompleted  FlowState = "completed"
	FlowFailed     FlowState = "failed"
	FlowExpired    FlowState = "expired"
)

// flowMoves lists every permitted transition, from-state first.
var flowMoves = map[FlowState][]FlowState{
	FlowPending:    {FlowExchanging, FlowFailed, FlowExpired},
	FlowExchanging: {FlowVerifying, FlowCompleted, FlowFailed, FlowExpired},
	FlowVerifying:  {FlowCompleted, FlowExchanging, FlowFailed, FlowExpired},
	FlowCompleted:  {},
	FlowFailed:     {},
	FlowExpired:    {},
}

// Ended reports whether a flow in this state moves no more.
func (s FlowState) Ended() bool { return len(flowMoves[s]) == 0 }

// MayBecome reports whether there is an arrow to the other state.
func (s FlowState) MayBecome(to FlowState) bool { return slices.Contains(flowMoves[s], to) }

// Flow is one authorization in progress, as stores keep it.
type Flow struct {
	ID AuthorizationID
	// VerificationID is set when the flow comes to verifying.
	VerificationID FlowID
	Ref
	State FlowState
	// Kind and Reason say why the flow failed, in words for people.
	Kind   Kind
	Reason string
	// Scopes are what was asked for by the app, sorted; Asked is everything that the provider was or
	// will be asked for, with the scopes granted before.
	Scopes, Asked []string
	// NextURI is where the browser goes after success, or "".
	NextURI string
	// App names the caller who started the flow, for the confirmation page and the audit.
	App string
	// Grant is a sealed grant that waits for verification, bound by [Flow.GrantPlace].
	Grant seal.Value
	// Granted, IssuedAt, ExpiresAt and Refreshable describe the waiting grant.
	Granted             []string
	IssuedAt, ExpiresAt time.Time
	Refreshable         bool
	// DryRun marks a flow that only tries out a user verifier: it stands for no provider and no grant.
	DryRun bool

	CreatedAt time.Time
	// Deadline is when the flow expires if it has not ended.
	Deadline time.Time
	// Version counts the writes, from 1; see FlowStore.
	Version int64
}

// GrantPlace is where a waiting grant is sealed.
func (f *Flow) GrantPlace() []byte {
	return seal.Place("flow", string(f.Project), string(f.User), string(f.Provider), f.Name, string(f.ID), "grant")
}

// Attempt is one visit of a browser to a flow's start page: its own state parameter, PKCE verifier
// and browser. A flow may have several (a link preview, a second tab, a double click); the first
// callback that arrives in its own browser wins.
type Attempt struct {
	// StateHash is SHA-256 of the state parameter; the parameter itself is kept nowhere.
	StateHash []byte
	Flow      AuthorizationID
	Project   ProjectID
	Provider  ProviderID
	// BrowserHash is SHA-256 of the secret in the browser's cookie.
	BrowserHash []byte
	// Verifier is the sealed PKCE code verifier, bound by [Attempt.VerifierPlace]; nil without PKCE.
	Verifier seal.Value
	// RedirectURI is the one that was sent; the exchange must repeat it to the letter.
	RedirectURI string
	CreatedAt   time.Time
	Deadline    time.Time
}

// VerifierPlace is where the code verifier is sealed.
func (a *Attempt) VerifierPlace() []byte {
	return seal.Place("attempt", string(a.Project), string(a.Flow), string(a.StateHash), "verifier")
}
