package keybearer

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/seal"
	"github.com/keybearer/keybearer/secret"
)

// Config is what a [Broker] is made of. The zero value of each field means what its comment says.
type Config struct {
	// The stores; nil means one [Memory] for all that are nil.
	Connections  ConnectionStore
	Flows        FlowStore
	Attempts     AttemptStore
	Providers    ProviderStore
	Keys         KeyStore
	Accounts     AccountStore
	Sessions     SessionStore
	Settings     SettingStore
	Leases       Leaser
	Workers      WorkerStore
	ToolSecrets  ToolSecretStore
	Runs         RunStore
	Clients      RegisteredClientStore
	ClientGrants ClientGrantStore
	// Upkeep is the plan of Connections; nil means Connections itself, if it is an UpkeepStore.
	Upkeep UpkeepStore

	// Sealer seals what stores keep; nil means a random key that dies with the process.
	Sealer Sealer
	// Static are the providers of the operator's file, with ClientSecret sealed. They win over
	// stored ones of the same id, and cannot be changed over the API.
	Static []Provider
	// StaticWorkers are the workers of the operator's file, with their secrets sealed for their Project; see
	// [Worker.SealSecrets]. They win over stored ones of the same id, and cannot be changed over the API. A type
	// or a timeout that is not set is the default one.
	StaticWorkers []Worker
	// Catalog gives the definition of a well-known type; nil knows none.
	Catalog func(kind string) (oauth.Definition, bool)
	// Sites know what the answers to sites requests mean; nil means that sites are not asked for.
	Sites SiteRules
	// CheckScopes says in sentences what is doubtful about the scopes that are going to be asked for at a
	// provider. It is told in the log, and nothing is refused for it; nil doubts nothing.
	CheckScopes func(p *Provider, scopes []string) []string
	// HTTP gives the client for calls to providers of an origin; nil means [http.DefaultClient].
	HTTP func(Origin) *http.Client
	// AllowHTTP permits provider endpoints with plain http (api.development).
	AllowHTTP bool

	// PublicURL is where browsers reach the engine, without a trailing slash: "https://keys.example.com".
	PublicURL string
	// SharedCallback gives all providers the redirect URI without their id in it.
	SharedCallback bool
	// Callback, where set, is the redirect URI of all providers, to the letter, in place of the engine's
	// own: for a program that takes what comes back itself, and gives it to [Visitor.Complete].
	Callback string
	// Verification is how it is proved who consented, unless the stored setting says otherwise.
	Verification Verification
	// VerificationFixed forbids changing the setting over the API, since the file says it.
	VerificationFixed bool
	// AllowDevice permits [View.AuthorizeDevice], where nothing proves who consented, though Verification
	// does not skip that. It is for a Broker of one person.
	AllowDevice bool
	// AllowSkip permits setting UnsafeSkip over the API.
	AllowSkip bool
	// Confirm says when the start page asks before it goes on to the provider; "" means auto.
	Confirm ConfirmPage
	// NextURIOrigins limits where browsers are sent after success; empty means any https origin and
	// http on this machine.
	NextURIOrigins []string
	// FlowLife is how long a person has for an authorization; 0 means an hour.
	FlowLife time.Duration
	// KeyLife is how long an API key may be believed without asking the store; 0 means 10 seconds.
	KeyLife time.Duration

	// Recorder takes the audit; nil means none.
	Recorder Recorder
	// Events reads it back; nil means that it is not to be had here.
	Events EventStore
	// Log takes what an operator should see; nil means nothing.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Broker brings it all together. It is safe for concurrent use. Its verbs hang on a [View], which
// [Broker.As] makes for a [Caller], and on a [Visitor], which stands for a browser.
type Broker struct {
	cfg      Config
	log      *slog.Logger
	now      func() time.Time
	flights  flights
	wakes    wakes
	keys     keyCache
	cool     cooldowns
	shelf    shelf
	workers  remembered[Worker]
	secrets  remembered[ToolSecret]
	uses     uses
	breakers breakers
	devices  devices
	unsaved  sync.Map // ConnectionID -> *unsavedGrant

	// life ends at Close; exchanges and refreshes run under it, not under the context of whoever
	// asked: a caller who hangs up must not cost a rotated token.
	life     context.Context
	end      context.CancelFunc
	draining chan struct{}
	drain    sync.Once
}

// New checks the configuration and makes a Broker. Close it after use.
func New(cfg Config) (*Broker, error) {
	var memory *Memory
	inMemory := func() *Memory {
		if memory == nil {
			memory = NewMemory()
		}
		return memory
	}
	if cfg.Connections == nil {
		cfg.Connections = inMemory()
	}
	if cfg.Flows == nil {
		cfg.Flows = inMemory()
	}
	if cfg.Attempts == nil {
		cfg.Attempts = inMemory()
	}
	if cfg.Providers == nil {
		cfg.Providers = inMemory()
	}
	if cfg.Keys == nil {
		cfg.Keys = inMemory()
	}
	if cfg.Accounts == nil {
		cfg.Accounts = inMemory()
	}
	if cfg.Sessions == nil {
		cfg.Sessions = inMemory()
	}
	if cfg.Settings == nil {
		cfg.Settings = inMemory()
	}
	if cfg.Leases == nil {
		cfg.Leases = inMemory()
	}
	if cfg.Workers == nil {
		cfg.Workers = inMemory()
	}
	if cfg.ToolSecrets == nil {
		cfg.ToolSecrets = inMemory()
	}
	if cfg.Runs == nil {
		cfg.Runs = inMemory()
	}
	if cfg.Clients == nil {
		cfg.Clients = inMemory()
	}
	if cfg.ClientGrants == nil {
		cfg.ClientGrants = inMemory()
	}
	if cfg.Upkeep == nil {
		cfg.Upkeep, _ = cfg.Connections.(UpkeepStore)
	}
	if cfg.Sealer == nil {
		ring, err := seal.NewKeyring(seal.Key{ID: "process", Secret: randomSecret()})
		if err != nil {
			return nil, err
		}
		cfg.Sealer = ring
	}
	if cfg.Catalog == nil {
		cfg.Catalog = func(string) (oauth.Definition, bool) { return oauth.Definition{}, false }
	}
	if cfg.HTTP == nil {
		cfg.HTTP = func(Origin) *http.Client { return http.DefaultClient }
	}
	if cfg.Confirm == "" {
		cfg.Confirm = ConfirmAuto
	}
	if cfg.FlowLife == 0 {
		cfg.FlowLife = time.Hour
	}
	if cfg.KeyLife == 0 {
		cfg.KeyLife = 10 * time.Second
	}
	if cfg.Recorder == nil {
		cfg.Recorder = noRecorder{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	if u, err := url.Parse(cfg.PublicURL); err != nil || u.Scheme == "" || u.Host == "" {
		return nil, Errorf(BadRequest, "public URL %q is not an absolute URL like https://keys.example.com", cfg.PublicURL)
	}
	b := &Broker{cfg: cfg, log: cfg.Log, now: cfg.Now, draining: make(chan struct{})}
	b.cfg.Static = make([]Provider, 0, len(cfg.Static))
	for _, p := range cfg.Static {
		if slices.ContainsFunc(b.cfg.Static, func(other Provider) bool { return other.ID == p.ID }) {
			return nil, Errorf(BadRequest, "two providers of the file have the id %q: give one of them another", p.ID)
		}
		p, err := b.installed(p)
		if err != nil {
			return nil, err
		}
		b.cfg.Static = append(b.cfg.Static, p)
	}
	workers, err := staticWorkers(cfg.StaticWorkers)
	if err != nil {
		return nil, err
	}
	b.cfg.StaticWorkers = workers
	b.life, b.end = context.WithCancel(context.Background())
	return b, nil
}

// Drain ends all waiting for authorizations, now and later: [View.Wait] answers with the present
// state. Call it before shutting a server down.
func (b *Broker) Drain() { b.drain.Do(func() { close(b.draining) }) }

// Close waits for running exchanges and refreshes, whose results must not be lost, until ctx ends;
// then it cuts them off. What they got is stored all the same, within ten seconds. The Broker must not
// be used afterwards, but for another Close: it tries again to store what could not be stored.
func (b *Broker) Close(ctx context.Context) error {
	b.Drain()
	defer b.end()
	done := b.flights.close()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		b.end()
		<-done
		err = ctx.Err()
	}
	return errors.Join(err, b.storeAllUnsaved(ctx))
}

// Wake makes the waiters for an authorization look again, those for all of them where id is empty. It
// is for what is heard of moves in other processes; the Broker itself wakes those of its own.
func (b *Broker) Wake(id AuthorizationID) {
	if id == "" {
		b.wakes.wakeAll()
		return
	}
	b.wakes.wake(id)
}

// Forget drops what the Broker remembers of providers, workers, secrets and API keys for a moment, since
// they were changed in another process.
func (b *Broker) Forget() {
	b.shelf.clear()
	b.workers.clear()
	b.secrets.clear()
	b.keys.clear()
}

// As gives the view of a caller.
func (b *Broker) As(c Caller) *View {
	if c.Project == "" {
		c.Project = DefaultProject
	}
	return &View{b: b, caller: c}
}

// View is what one caller may do. It is cheap, and safe for concurrent use.
type View struct {
	b      *Broker
	caller Caller
}

// Caller is who the view belongs to.
func (v *View) Caller() Caller { return v.caller }

// admin refuses callers who may not operate the engine. Who is limited may not: an operator sets keys,
// passwords and endpoints, and would soon be rid of the limits.
func (v *View) admin(action string) error {
	if v.caller.Admin && !v.caller.limited() {
		return nil
	}
	v.record(Event{Action: action, Outcome: string(PermissionDenied)})
	if v.caller.Admin {
		return Errorf(PermissionDenied, "this caller is limited to some providers or users: use an API key with the scope %q and no limits", ScopeAdmin)
	}
	return Errorf(PermissionDenied, "this API key has the scope %q: use one with the scope %q", ScopeApp, ScopeAdmin)
}

// record writes an audit line for the caller.
func (v *View) record(e Event) {
	e.Project, e.Actor = v.caller.Project, v.caller.Name
	v.b.record(e)
}

func (b *Broker) record(e Event) { b.recordAt(b.now(), e) }

func (b *Broker) recordAt(at time.Time, e Event) {
	e.Time = at
	if e.Project == "" {
		e.Project = DefaultProject
	}
	if e.Outcome == "" {
		e.Outcome = "ok"
	}
	b.cfg.Recorder.Record(b.life, e)
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return string(KindOf(err))
}

func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

type noRecorder struct{}

func (noRecorder) Record(context.Context, Event) {}

// client makes the oauth client of a provider. Opening the client secret is the only way to it.
func (b *Broker) client(p *Provider) (*oauth.Client, error) {
	var clientSecret secret.String
	if len(p.ClientSecret) > 0 {
		plain, err := b.cfg.Sealer.Open(p.ClientSecret, p.SecretPlace())
		if err != nil {
			return nil, Errorf(Internal, "opening the client secret of provider %s: %w", p.ID, err)
		}
		clientSecret = secret.New(string(plain))
	}
	return &oauth.Client{
		Definition: &p.Definition, ID: p.ClientID, Secret: clientSecret,
		RedirectURI: b.RedirectURI(p), HTTP: b.cfg.HTTP(p.Origin), Now: b.now,
	}, nil
}

// RedirectURI is what the operator registers at the provider.
func (b *Broker) RedirectURI(p *Provider) string {
	if b.cfg.Callback != "" {
		return b.cfg.Callback
	}
	if b.cfg.SharedCallback {
		return b.cfg.PublicURL + "/api/v1/oauth/callback"
	}
	return b.cfg.PublicURL + "/api/v1/oauth/" + url.PathEscape(p.RedirectID()) + "/callback"
}

// RedirectURITemplate is the redirect URI of a provider to come, with {external_id} in it.
func (b *Broker) RedirectURITemplate() string {
	if b.cfg.Callback != "" {
		return b.cfg.Callback
	}
	if b.cfg.SharedCallback {
		return b.cfg.PublicURL + "/api/v1/oauth/callback"
	}
	return b.cfg.PublicURL + "/api/v1/oauth/{external_id}/callback"
}

// asKind gives err a kind, unless it has one.
func asKind(kind Kind, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return Errorf(kind, "%w", err)
}
