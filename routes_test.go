package keybearer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// keyRoom is a broker with one provider of API keys.
type keyRoom struct {
	t     *testing.T
	admin *keybearer.View
	b     *keybearer.Broker
	told  *lines
}

type lines struct {
	mu  sync.Mutex
	all []keybearer.Event
}

func (l *lines) Record(_ context.Context, e keybearer.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, e)
}

func openKeyRoom(t *testing.T) *keyRoom {
	t.Helper()
	told := &lines{}
	b, err := keybearer.New(keybearer.Config{PublicURL: "https://keys.example.com", Recorder: told})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	r := &keyRoom{t: t, b: b, told: told, admin: b.As(keybearer.Caller{Name: "test", Admin: true})}
	_, err = r.admin.CreateProvider(t.Context(), keybearer.ProviderDraft{ID: "words", Settings: oauth.Definition{
		API: oauth.API{Hosts: []string{"api.words.example", "files.words.example"}, Header: "X-Key", KeyPattern: "w-[a-z]{20}", KeyHint: "it begins with w-"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const aKey = "w-abcdefghijklmnopqrst"

func (r *keyRoom) give(name string) {
	r.t.Helper()
	if _, err := r.admin.PutConnection(r.t.Context(), keybearer.Ref{User: "alice", Provider: "words", Name: name}, keybearer.Credential{Kind: keybearer.APIKey, Secret: secret.New(aKey)}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *keyRoom) routes() []keybearer.Route {
	r.t.Helper()
	routes, err := r.admin.Routes(r.t.Context(), "alice")
	if err != nil {
		r.t.Fatal(err)
	}
	return routes
}

func (r *keyRoom) defaults() (names []string) {
	for _, one := range r.routes() {
		if one.Default {
			names = append(names, one.Ref.Name)
		}
	}
	return names
}

func TestConnectionsOfAUserHaveNamesAndADefault(t *testing.T) {
	r := openKeyRoom(t)
	for _, name := range []string{"work", "default", "home"} {
		r.give(name)
	}
	var names []string
	for _, one := range r.routes() {
		names = append(names, one.Ref.Name)
		token, err := r.admin.Token(t.Context(), one.Ref)
		if err != nil || token.Access.Reveal() != aKey {
			t.Errorf("%q: got %v, want its key", one.Ref.Name, err)
		}
	}
	if diff := cmp.Diff([]string{"", "home", "work"}, names); diff != "" {
		t.Errorf("the names differ: %s", diff)
	}
	if got := r.defaults(); !slices.Equal(got, []string{""}) {
		t.Errorf("got the default %q, want the one without a name", got)
	}
	if err := r.admin.SetDefaultConnection(t.Context(), keybearer.Ref{User: "alice", Provider: "words", Name: "work"}); err != nil {
		t.Fatal(err)
	}
	if got := r.defaults(); !slices.Equal(got, []string{"work"}) {
		t.Errorf("got the default %q, want work", got)
	}
	err := r.admin.SetDefaultConnection(t.Context(), keybearer.Ref{User: "alice", Provider: "words", Name: "away"})
	wantKind(t, err, keybearer.NotFound)
	_, err = r.admin.PutConnection(t.Context(), keybearer.Ref{User: "alice", Provider: "words", Name: "no such"}, keybearer.Credential{Kind: keybearer.APIKey, Secret: secret.New(aKey)})
	wantKind(t, err, keybearer.BadRequest)

	// When the default is gone another one takes its place.
	for _, one := range r.routes() {
		if one.Ref.Name == "work" {
			if err := r.admin.Disconnect(t.Context(), one.Connection); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := r.defaults(); !slices.Equal(got, []string{""}) {
		t.Errorf("got the default %q, want the one without a name", got)
	}
}

func TestKeyOfAnotherFormIsRefused(t *testing.T) {
	r := openKeyRoom(t)
	_, err := r.admin.PutConnection(t.Context(), keybearer.Ref{User: "alice", Provider: "words"}, keybearer.Credential{Kind: keybearer.APIKey, Secret: secret.New("of-another-provider")})
	wantKind(t, err, keybearer.BadRequest)
	wantText(t, err, "it begins with w-")
	_, err = r.admin.Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "words", User: "alice"})
	wantKind(t, err, keybearer.BadRequest)
	wantText(t, err, "store a token")
}

// Who may change a provider must not thereby get at the tokens of those who connected before.
func TestHostsAreThoseOfTheLogin(t *testing.T) {
	r := openKeyRoom(t)
	r.give("")
	_, err := r.admin.UpdateProvider(t.Context(), "words", func(d *keybearer.ProviderDraft) error {
		d.Settings.API.Hosts = []string{"files.words.example", "api.attacker.example"}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"files.words.example"}, r.routes()[0].API.Hosts); diff != "" {
		t.Errorf("the former connection serves other hosts than it was made for: %s", diff)
	}
	r.give("")
	if diff := cmp.Diff([]string{"files.words.example", "api.attacker.example"}, r.routes()[0].API.Hosts); diff != "" {
		t.Errorf("a new login does not serve the hosts of now: %s", diff)
	}
}

// An API token of Atlassian Cloud works at its site and at no gateway, and goes nowhere else.
func TestAPITokenServesItsSiteAlone(t *testing.T) {
	b, err := keybearer.New(keybearer.Config{PublicURL: "https://keys.example.com", Catalog: catalog.Definition, Sites: atlassian.SiteRules{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	admin := b.As(keybearer.Caller{Name: "test", Admin: true})
	if _, err := admin.CreateProvider(t.Context(), keybearer.ProviderDraft{ID: "atlassian", Type: "atlassian"}); err != nil {
		t.Fatal(err)
	}
	given := keybearer.Credential{Kind: keybearer.APIToken, Username: "alice@example.com", Secret: secret.New("not-a-token"), SiteURL: "https://teahouse.atlassian.net"}
	ref := keybearer.Ref{User: "alice", Provider: "atlassian"}
	if _, err := admin.PutConnection(t.Context(), ref, given); err != nil {
		t.Fatal(err)
	}
	routes, err := admin.Routes(t.Context(), "alice")
	if err != nil || len(routes) != 1 {
		t.Fatalf("got %v, %v", routes, err)
	}
	if r := routes[0]; !slices.Equal(r.API.Hosts, []string{"teahouse.atlassian.net"}) || r.Gateway != "" || r.Username != "alice@example.com" {
		t.Errorf("got %v by %q for %q, want the site alone", r.API.Hosts, r.Gateway, r.Username)
	}
	if !slices.Contains(routes[0].Endpoints, "https://auth.atlassian.com/oauth/token") || slices.Contains(routes[0].Endpoints, "https://api.atlassian.com/oauth/token/accessible-resources") {
		t.Errorf("got %v, want the endpoints that take other credentials", routes[0].Endpoints)
	}
	for _, bad := range []string{"http://teahouse.atlassian.net", "https://teahouse.atlassian.net/wiki", "https://*.atlassian.net", "teahouse", "https://a@b.atlassian.net"} {
		given.SiteURL = bad
		_, err := admin.PutConnection(t.Context(), ref, given)
		wantKind(t, err, keybearer.BadRequest)
	}
}

func TestInjectionsAreRecordedWithoutTheQuery(t *testing.T) {
	r := openKeyRoom(t)
	at := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	in := keybearer.Injection{
		Time: at, Run: "review", Ref: keybearer.Ref{User: "alice", Provider: "words"}, Method: "GET", Host: "api.words.example", Path: "/list?token=canary",
		Status: 200, Sent: 3, Received: 5, Outcome: "ok",
	}
	if err := r.admin.RecordInjection(in); err != nil {
		t.Fatal(err)
	}
	want := keybearer.RequestTrace{Run: "review", Method: "GET", Host: "api.words.example", Path: "/list", Status: 200, Sent: 3, Received: 5}
	last := r.told.all[len(r.told.all)-1]
	if diff := cmp.Diff(want, last.Request); diff != "" || last.Action != keybearer.ActionInject || !last.Time.Equal(at) {
		t.Errorf("got %+v: %s", last, diff)
	}
	limited := r.b.As(keybearer.Caller{Name: "key:ci", Users: "bob"})
	wantKind(t, limited.RecordInjection(in), keybearer.PermissionDenied)
	_, err := limited.Routes(t.Context(), "alice")
	wantKind(t, err, keybearer.PermissionDenied)
	_, err = limited.Events(t.Context(), keybearer.EventFilter{})
	wantKind(t, err, keybearer.PermissionDenied)
}
