package desk

import (
	"context"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
)

// Home is where the person's connections are. Its methods may be called concurrently.
type Home interface {
	// Connections lists them, in the order to show them.
	Connections(ctx context.Context) ([]Connection, error)
	// Offers lists what can be connected.
	Offers(ctx context.Context) ([]Offer, error)
	// Events reads the audit, latest first.
	Events(ctx context.Context, f keybearer.EventFilter) ([]keybearer.RecordedEvent, error)
	Disconnect(ctx context.Context, id keybearer.ConnectionID) error
	SetDefault(ctx context.Context, ref keybearer.Ref) error
	// Login connects an account, and returns when that is done or is not to be. It calls show with each address
	// that the person has to go to; show reports false when nobody is there any more. It ends soon after ctx does.
	Login(ctx context.Context, w Wish, show func(Step) bool) error
}

// Connection is a connection in words. It holds no secret.
type Connection struct {
	ID   keybearer.ConnectionID
	Ref  keybearer.Ref
	Kind keybearer.ConnectionKind
	// Provider is what people call the provider, and Name the connection.
	Provider, Name string
	Default        bool
	// Status is "active", or another word where it gives no token; Problem says why, and what to do.
	Status, Problem string
	// Ends is how long it goes on: "renewed", "in 12 days".
	Ends                 string
	EndsAt               time.Time
	Username             string
	Scopes, Hosts, Sites []string
}

// KindWords is the kind in words.
func (c *Connection) KindWords() string {
	switch c.Kind {
	case keybearer.Consented:
		return "signed in"
	case keybearer.APIKey:
		return "API key"
	case keybearer.APIToken:
		return "API token"
	}
	return strings.ReplaceAll(c.Kind.String(), "_", " ")
}

// Active reports whether it gives tokens.
func (c *Connection) Active() bool { return c.Status == "active" && c.Problem == "" }

// Again reports whether a login can be made anew on this page: of what has to be given, that is keys alone.
func (c *Connection) Again() bool {
	return c.Kind == keybearer.Consented || c.Kind == keybearer.APIKey
}

// Title names it in a sentence.
func (c *Connection) Title() string {
	if c.Ref.Name == "" {
		return c.Provider
	}
	return c.Provider + " (" + c.Ref.Name + ")"
}

// Offer is a provider that can be connected.
type Offer struct {
	ID   keybearer.ProviderID
	Name string
	// About says in a few words what it is, or "".
	About string
	// Installed: it is set up already.
	Installed bool
	// Consents and Keys say how it can be connected: by a consent, by an API key that is given, or either.
	Consents, Keys bool
	// Server is asked for: it is one of the person's own. ServerNow is a value to begin with.
	Server    bool
	ServerNow string
}

// Wish is a login that the person asks for.
type Wish struct {
	Provider keybearer.ProviderID
	// Connection is its name, "" for the one without; Server the address of a server of one's own, or "".
	Connection, Server string
	// Scopes to ask for; none means the provider's own.
	Scopes []string
	// Key: by an API key, not by a consent.
	Key bool
	// Again: a new consent, though there is a connection.
	Again bool
	// Back is where the browser is to go after each step.
	Back string
}

// Step is an address that the person has to go to in the course of a login.
type Step struct {
	URL string
	// Apart: the browser does not come back from there by itself.
	Apart bool
}
