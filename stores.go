package keybearer

import (
	"context"
	"time"

	"github.com/keybearer/keybearer/seal"
)

// The stores. What holds for all of them:
//
//   - Every method may be called concurrently, and returns values that the caller owns.
//   - A missing row is an error of kind [NotFound], a lost race [Conflict], storage that is locked,
//     full or away [Unavailable].
//   - Times are kept to the microsecond, in UTC.
//   - Secrets arrive sealed; a store never sees a plain one.
//
// Package storetest is the exam that every store passes.

// ConnectionStore keeps connections.
type ConnectionStore interface {
	Connection(ctx context.Context, ref Ref) (Connection, error)
	ConnectionByID(ctx context.Context, project ProjectID, id ConnectionID) (Connection, error)
	// PutConnection writes a whole row if the stored version is ifVersion (0: the ref has no row
	// yet), and stores and returns it with Version ifVersion+1. Otherwise Conflict. A stored UsedAt
	// that is later than the written one stays.
	PutConnection(ctx context.Context, c Connection, ifVersion int64) (Connection, error)
	// Connections lists a page, ordered by CreatedAt then ID, and counts all that match.
	Connections(ctx context.Context, filter ConnectionFilter) (page []Connection, total int, err error)
	// DeleteConnection deletes the row if the stored version is ifVersion, otherwise Conflict.
	DeleteConnection(ctx context.Context, project ProjectID, id ConnectionID, ifVersion int64) error
}

// UpkeepStore is the plan of a ConnectionStore: which connections somebody should look after, and when.
// There is no other queue: the row is the job, and whoever claims it does it.
type UpkeepStore interface {
	// ClaimDue gives up to limit connections of a provider whose DueAt has come by now, those that came
	// first, in any order, and moves their DueAt to until: nobody else is given them before then. Versions
	// stay as they are. A limit below 1 gives none.
	ClaimDue(ctx context.Context, project ProjectID, provider ProviderID, now, until time.Time, limit int) ([]Connection, error)
	// Postpone writes the DueAt of each of these connections, zero for never, and nothing else, if its
	// version is still the stored one; otherwise whoever wrote it meanwhile has planned it anew.
	Postpone(ctx context.Context, planned []Connection) error
	// Touch sets UsedAt of connections to these times, unless a later one is stored. Those that are gone
	// are passed over.
	Touch(ctx context.Context, used map[Ref]time.Time) error
}

// ConnectionFilter selects connections. Empty fields select all.
type ConnectionFilter struct {
	Project   ProjectID
	User      UserID
	Provider  ProviderID
	Providers []ProviderID // one of these; nil: any
	Limit     int          // at most 1000; 0 means 25
	Offset    int
}

// FlowStore keeps flows.
type FlowStore interface {
	// CreateFlow stores a new pending flow with Version 1. If a pending flow of the same ref and
	// Asked exists whose Deadline is after now, that one gets f's NextURI (if it has one) and
	// is returned in place of f.
	CreateFlow(ctx context.Context, f Flow, now time.Time) (Flow, error)
	Flow(ctx context.Context, project ProjectID, id AuthorizationID) (Flow, error)
	FlowByVerification(ctx context.Context, project ProjectID, id FlowID) (Flow, error)
	// AdvanceFlow writes a whole row if the stored version is f.Version and returns it with the
	// version raised by one. Otherwise Conflict.
	AdvanceFlow(ctx context.Context, f Flow) (Flow, error)
}

// AttemptStore keeps the visits of browsers.
type AttemptStore interface {
	// PutAttempt stores a new attempt; beyond 20 of one flow the oldest goes.
	PutAttempt(ctx context.Context, a Attempt) error
	// TakeAttempt returns the attempt and deletes it, so that a state works once. Of many concurrent
	// calls one gets it; the others get NotFound.
	TakeAttempt(ctx context.Context, stateHash []byte) (Attempt, error)
}

// ProviderStore keeps providers (without Provider.Definition).
type ProviderStore interface {
	Providers(ctx context.Context, project ProjectID) ([]Provider, error)
	// PutProvider writes a whole row if the stored version is ifVersion (0: no such id yet).
	PutProvider(ctx context.Context, p Provider, ifVersion int64) (Provider, error)
	DeleteProvider(ctx context.Context, project ProjectID, id ProviderID) error
}

// KeyStore keeps API keys.
type KeyStore interface {
	KeyByHash(ctx context.Context, hash []byte) (Key, error) // revoked keys, too
	PutKey(ctx context.Context, k Key) error                 // inserts, or replaces by ID
	Keys(ctx context.Context, project ProjectID) ([]Key, error)
}

// AccountStore keeps the people who can sign in.
type AccountStore interface {
	Account(ctx context.Context, project ProjectID, user UserID) (Account, error)
	PutAccount(ctx context.Context, a Account) error // inserts, or replaces by user
	Accounts(ctx context.Context, project ProjectID) ([]Account, error)
	DeleteAccount(ctx context.Context, project ProjectID, user UserID) error // and its sessions
}

// SessionStore keeps signed-in browsers.
type SessionStore interface {
	PutSession(ctx context.Context, s Session) error
	Session(ctx context.Context, hash []byte) (Session, error)
	DeleteSession(ctx context.Context, hash []byte) error
}

// SettingStore keeps small settings of a project as JSON.
type SettingStore interface {
	Setting(ctx context.Context, project ProjectID, name string) ([]byte, error)
	PutSetting(ctx context.Context, project ProjectID, name string, value []byte) error
}

// Lease is the right to do one thing alone for a while.
type Lease struct {
	Key string
	// Generation grows with every acquisition of the key.
	Generation int64
}

// Leaser keeps replicas apart. Within a process the Broker also has single flight.
type Leaser interface {
	// Acquire waits until the lease is free, or was held for longer than its ttl, or ctx ends.
	Acquire(ctx context.Context, key string, ttl time.Duration) (Lease, error)
	// Extend lets a lease that is still held end ttl from now. One that ended, and that nobody has
	// taken since, may be extended or be Conflict; one that somebody else has is Conflict.
	Extend(ctx context.Context, l Lease, ttl time.Duration) error
	// Release ends a lease early; one that somebody else has meanwhile is left alone.
	Release(ctx context.Context, l Lease) error
}

// Sealer seals and opens values; *seal.Keyring is one.
type Sealer interface {
	Seal(plain, place []byte) (seal.Value, error)
	Open(v seal.Value, place []byte) ([]byte, error)
}

// Recorder writes the audit: who did what with which connection, never a secret. Record must not
// block for long and must not fail the caller.
type Recorder interface {
	Record(ctx context.Context, e Event)
}

// Event is one line of the audit.
type Event struct {
	Time    time.Time
	Project ProjectID
	// Actor is Caller.Name, or "browser" or "engine".
	Actor string
	// Action is a verb of the Action constants.
	Action     string
	User       UserID
	Provider   ProviderID
	Connection ConnectionID
	Flow       AuthorizationID
	// Outcome is "ok" or a Kind.
	Outcome string
	// Reason is for people.
	Reason string
	// Request is the proxied request that the line is about, or zero.
	Request RequestTrace
}

// RequestTrace is what the audit keeps of a proxied request.
type RequestTrace struct {
	// Run names the run or agent that sent it.
	Run string
	// Method, Host and Path are those of the request, without its query.
	Method, Host, Path string
	// Status is the answer's, or 0 if there was none.
	Status int64
	// Sent and Received are bytes of bodies.
	Sent, Received int64
}

// RecordedEvent is a line of the audit as it is kept.
type RecordedEvent struct {
	ID string // grows with the time of writing
	Event
	// Times is how often it happened; lines of frequent events stand for several.
	Times int64
}

// EventFilter selects lines of the audit. Empty fields select all.
type EventFilter struct {
	Project    ProjectID
	Actor      string
	Action     string
	Outcome    string
	User       UserID
	Provider   ProviderID
	Connection ConnectionID
	Flow       AuthorizationID
	// Since and Before bound the time: Since <= Time < Before.
	Since, Before time.Time
	Limit         int // at most 1000; 0 means 100
	Offset        int
}

// EventStore reads the audit back.
type EventStore interface {
	// Events lists lines of the audit, latest first.
	Events(ctx context.Context, filter EventFilter) ([]RecordedEvent, error)
}

// The actions of the audit.
const (
	ActionAuthorize      = "authorize"       // an app asked for an authorization
	ActionStart          = "start"           // a browser was sent to the provider
	ActionDevice         = "device"          // a device code was handed out, or its end came
	ActionCallback       = "callback"        // a browser came back
	ActionConfirm        = "confirm"         // a verifier said who consented
	ActionComplete       = "complete"        // a connection was stored
	ActionConnect        = "connect"         // a credential was stored as a connection
	ActionToken          = "token"           // a token was handed out
	ActionRefresh        = "refresh"         // a token was refreshed
	ActionReauthorize    = "reauthorize"     // a grant was found dead
	ActionSites          = "sites"           // a site was chosen, or sites have appeared or vanished
	ActionInject         = "inject"          // a proxy put a credential on a request, or refused to
	ActionDefault        = "default"         // one of several connections was made the default
	ActionDisconnect     = "disconnect"      // a connection was deleted
	ActionProviderPut    = "provider.put"    // a provider was created or changed
	ActionProviderDelete = "provider.delete" //
	ActionKeyCreate      = "key.create"      //
	ActionKeyRevoke      = "key.revoke"      //
	ActionAccountPut     = "account.put"     //
	ActionAccountDelete  = "account.delete"  //
	ActionSetting        = "setting"         //
	ActionSignIn         = "sign_in"         //
	ActionKeyRefused     = "key.refused"     // a request without a valid key
	ActionRestore        = "storage.restore" // a backup was restored
	ActionMove           = "storage.move"    // everything came from another database, or went back
)
