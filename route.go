package keybearer

import (
	"time"

	"github.com/keybearer/keybearer/oauth"
)

// Route is a connection as a proxy sees it: which hosts it serves and how its credential is put on a
// request. It holds no secret.
type Route struct {
	Ref        Ref
	Connection ConnectionID
	Kind       ConnectionKind
	State      ConnectionState
	// Scopes are what was granted; ExpiresAt is when the present token ends, zero if that is unknown.
	Scopes    []string
	ExpiresAt time.Time
	// Refreshable: the token is renewed.
	Refreshable bool
	// Version changes with each write of the connection: what was remembered of another one is old.
	Version int64
	// Default: it is used where a request does not say which of the provider's connections is meant.
	Default bool
	// Problem says for people why it gives no token, and what to do; "" while it gives one.
	Problem string
	// API is the provider's, with the placeholders of Hosts filled in; see [oauth.API]. Hosts are no more
	// than those that the connection was made for: a provider whose hosts were changed needs a new login.
	API oauth.API
	// ServerURL is the base URL of a server of one's own, or "".
	ServerURL string
	// Username is the other half of Basic, or "".
	Username string
	// Sites are what it reaches, where the provider has sites; Site is the id of the one in use, and
	// Gateway is scheme and host of where requests to a site's own address have to go instead, or "".
	Sites   []Site
	Site    string
	Gateway string
	// Endpoints are the URLs of the provider's OAuth endpoints (authorization, token, revocation and the
	// like): no credential is put on requests to them, also where they share a host with the API.
	Endpoints []string
}

// Injection is one request that a proxy has put a credential on, or has refused to: for the audit.
type Injection struct {
	Time time.Time
	// Run names the run or agent that sent it.
	Run        string
	Ref        Ref
	Connection ConnectionID
	Method     string
	// Host is the one that was asked for, with a port that is not 443; Path has no query.
	Host, Path string
	// Status is the answer's, or 0 if there was none.
	Status int
	// Sent and Received are bytes of bodies.
	Sent, Received int64
	// Took is how long it was until the answer had ended.
	Took time.Duration
	// Outcome is "ok" or a Kind: of a refusal, Reason says why.
	Outcome, Reason string
}
