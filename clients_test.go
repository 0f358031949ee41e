package keybearer_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

const (
	clientVerifier = "a-verifier-of-forty-three-characters-or-more-0"
	clientBack     = "http://127.0.0.1:7999/callback"
	clientResource = "https://keys.example.com/mcp"
)

// clientHouse is a broker with an account, a clock and a registered client.
type clientHouse struct {
	t      *testing.T
	b      *keybearer.Broker
	mu     sync.Mutex
	now    time.Time
	client keybearer.RegisteredClient
	events []keybearer.Event
}

// clientEvents takes the audit.
type clientEvents struct{ house *clientHouse }

func (r clientEvents) Record(_ context.Context, e keybearer.Event) {
	r.house.mu.Lock()
	defer r.house.mu.Unlock()
	r.house.events = append(r.house.events, e)
}

func newClientHouse(t *testing.T) *clientHouse {
	t.Helper()
	h := emptyClientHouse(t)
	if _, err := h.b.PutAccount(t.Context(), keybearer.DefaultProject, "alice", secret.New("a password of alice"), false); err != nil {
		t.Fatal(err)
	}
	return h
}

// emptyClientHouse has no account: making one is slow.
func emptyClientHouse(t *testing.T) *clientHouse {
	t.Helper()
	h := &clientHouse{t: t, now: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
	b, err := keybearer.New(keybearer.Config{PublicURL: "https://keys.example.com", Recorder: clientEvents{h}, Now: func() time.Time {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.now
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.b = b
	t.Cleanup(func() {
		if err := b.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if h.client, err = b.RegisterClient(t.Context(), keybearer.ClientDraft{Name: "An agent", RedirectURIs: []string{"http://127.0.0.1/callback", "https://agent.example/cb"}}); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *clientHouse) advance(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *clientHouse) request(change func(*keybearer.ClientRequest)) keybearer.ClientRequest {
	sum := sha256.Sum256([]byte(clientVerifier))
	r := keybearer.ClientRequest{
		ResponseType: "code", Client: h.client.ID, RedirectURI: clientBack, State: "s", ChallengeMethod: "S256",
		Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), Resource: clientResource,
	}
	if change != nil {
		change(&r)
	}
	return r
}

func (h *clientHouse) code() secret.String {
	h.t.Helper()
	code, err := h.b.AllowClient(h.t.Context(), h.request(nil), "alice")
	if err != nil {
		h.t.Fatal(err)
	}
	return code
}

func (h *clientHouse) redeem(code secret.String) (keybearer.ClientTokens, error) {
	return h.b.RedeemClientCode(h.t.Context(), h.client.ID, clientBack, clientResource, code, secret.New(clientVerifier))
}

func (h *clientHouse) tokens() keybearer.ClientTokens {
	h.t.Helper()
	tokens, err := h.redeem(h.code())
	if err != nil {
		h.t.Fatal(err)
	}
	return tokens
}

// works reports whether an access token lets its holder in.
func (h *clientHouse) works(access secret.String) bool {
	_, _, _, err := h.b.ClientCaller(h.t.Context(), access, clientResource)
	return err == nil
}

func wantClientError(t *testing.T, what string, err error, code string) {
	t.Helper()
	if e, ok := errors.AsType[*keybearer.ClientError](err); !ok || e.Code != code {
		t.Errorf("%s: got %v, want %s", what, err, code)
	}
}

func TestClientActsAsThePersonWhoLetItIn(t *testing.T) {
	h := newClientHouse(t)
	tokens := h.tokens()
	c, user, ok, err := h.b.ClientCaller(t.Context(), tokens.Access, clientResource)
	if err != nil || !ok || user != "alice" || c.Admin || c.Name != "user:alice" || c.Users != "alice" {
		t.Fatalf("got %+v for %q, %v, %v", c, user, ok, err)
	}
	if _, _, ok, _ := h.b.ClientCaller(t.Context(), secret.New("arc_an-api-key"), clientResource); ok {
		t.Error("an API key was taken for an access token")
	}
	for what, resource := range map[string]string{"another gateway": clientResource + "/other", "another engine": "https://other.example.com/mcp"} {
		if _, _, ok, err := h.b.ClientCaller(t.Context(), tokens.Access, resource); !ok || err == nil {
			t.Errorf("the token worked at %s", what)
		}
	}
	h.advance(time.Hour)
	if h.works(tokens.Access) {
		t.Error("an access token lived for an hour and more")
	}
}

func TestPatternInAUserIDGivesNoRights(t *testing.T) {
	h := newClientHouse(t)
	if _, err := h.b.PutAccount(t.Context(), keybearer.DefaultProject, "*", secret.New("a password of star"), false); err != nil {
		t.Fatal(err)
	}
	code, err := h.b.AllowClient(t.Context(), h.request(nil), "*")
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := h.redeem(code)
	if err != nil {
		t.Fatal(err)
	}
	c, _, _, err := h.b.ClientCaller(t.Context(), tokens.Access, clientResource)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.b.As(c).Lend(t.Context(), keybearer.LoanRequest{Tool: "T", User: "alice"}); !errors.Is(err, keybearer.PermissionDenied) {
		t.Errorf("the user \"*\" may act for alice: %v", err)
	}
	if _, err := h.b.As(c).Lend(t.Context(), keybearer.LoanRequest{Tool: "T", User: "*"}); err != nil {
		t.Errorf("the user \"*\" may not act for himself: %v", err)
	}
}

func TestCodeWorksOnceAndForItsClientAlone(t *testing.T) {
	h := newClientHouse(t)
	other, err := h.b.RegisterClient(t.Context(), keybearer.ClientDraft{RedirectURIs: []string{clientBack}})
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func(secret.String) error{
		"another client": func(code secret.String) error {
			_, err := h.b.RedeemClientCode(t.Context(), other.ID, clientBack, clientResource, code, secret.New(clientVerifier))
			return err
		},
		"another redirect URI": func(code secret.String) error {
			_, err := h.b.RedeemClientCode(t.Context(), h.client.ID, "https://agent.example/cb", clientResource, code, secret.New(clientVerifier))
			return err
		},
		"another resource": func(code secret.String) error {
			_, err := h.b.RedeemClientCode(t.Context(), h.client.ID, clientBack, clientResource+"/other", code, secret.New(clientVerifier))
			return err
		},
		"another verifier": func(code secret.String) error {
			_, err := h.b.RedeemClientCode(t.Context(), h.client.ID, clientBack, clientResource, code, secret.New(clientVerifier+"x"))
			return err
		},
		"no verifier": func(code secret.String) error {
			_, err := h.b.RedeemClientCode(t.Context(), h.client.ID, clientBack, clientResource, code, secret.String{})
			return err
		},
	} {
		code := h.code()
		wantClientError(t, what, try(code), "invalid_grant")
		if _, err := h.redeem(code); err == nil {
			t.Errorf("%s: the code still worked afterwards", what)
		}
	}
	late := h.code()
	h.advance(time.Minute)
	_, err = h.redeem(late)
	wantClientError(t, "a minute later", err, "invalid_grant")

	code := h.code()
	tokens, err := h.redeem(code)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.redeem(code)
	wantClientError(t, "the second time", err, "invalid_grant")
	if h.works(tokens.Access) {
		t.Error("a code came twice, and what it gave still works")
	}
}

func TestRefreshTokensAreReplacedAndAStolenOneEndsAll(t *testing.T) {
	h := newClientHouse(t)
	first := h.tokens()
	second, err := h.b.RefreshClient(t.Context(), h.client.ID, "", first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	if h.works(first.Access) || !h.works(second.Access) {
		t.Error("the new access token has to work, and the old one not")
	}
	// The answer was lost, and the client asks again at once.
	third, err := h.b.RefreshClient(t.Context(), h.client.ID, "", first.Refresh)
	if err != nil {
		t.Fatalf("asking again at once: %v", err)
	}
	h.advance(31 * time.Second)
	_, err = h.b.RefreshClient(t.Context(), h.client.ID, "", second.Refresh)
	wantClientError(t, "a replaced token, later", err, "invalid_grant")
	if h.works(third.Access) {
		t.Error("a replaced refresh token came, and the grant lives on")
	}
	_, err = h.b.RefreshClient(t.Context(), "mcp_other", "", h.tokens().Refresh)
	wantClientError(t, "another client", err, "invalid_grant")
	unused := h.tokens()
	h.advance(31 * 24 * time.Hour)
	_, err = h.b.RefreshClient(t.Context(), h.client.ID, "", unused.Refresh)
	wantClientError(t, "after a month without use", err, "invalid_grant")
}

func TestGrantEndsWithTheClientOrTheAccount(t *testing.T) {
	h := newClientHouse(t)
	tokens := h.tokens()
	if err := h.b.EndClient(t.Context(), "mcp_other", tokens.Refresh); err != nil || !h.works(tokens.Access) {
		t.Errorf("another client ended it (%v)", err)
	}
	if err := h.b.EndClient(t.Context(), h.client.ID, secret.New("kbr_nothing.x")); err != nil {
		t.Errorf("ending nothing: %v", err)
	}
	if err := h.b.EndClient(t.Context(), h.client.ID, tokens.Refresh); err != nil || h.works(tokens.Access) {
		t.Errorf("it was ended (%v), and still works", err)
	}
	tokens = h.tokens()
	if err := h.b.As(keybearer.Caller{Admin: true}).DeleteAccount(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if h.works(tokens.Access) {
		t.Error("the account is gone, and what it gave still works")
	}
}

func TestGrantEndsWithThePasswordThatGaveIt(t *testing.T) {
	h := newClientHouse(t)
	tokens := h.tokens()
	if !h.works(tokens.Access) {
		t.Fatal("a new token does not work")
	}
	h.advance(time.Second)
	if err := h.b.As(keybearer.Caller{Admin: true}).DeleteAccount(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.b.PutAccount(t.Context(), keybearer.DefaultProject, "alice", secret.New("another password"), false); err != nil {
		t.Fatal(err)
	}
	if h.works(tokens.Access) {
		t.Error("the account is somebody else's now, and what the first one gave still works")
	}
	_, err := h.b.RefreshClient(t.Context(), h.client.ID, "", tokens.Refresh)
	wantClientError(t, "after the account was made anew", err, "invalid_grant")
}

func TestRequestsThatMustNotGoOn(t *testing.T) {
	h := newClientHouse(t)
	for what, c := range map[string]struct {
		change   func(*keybearer.ClientRequest)
		code     string
		redirect bool
	}{
		"an unknown client":       {func(r *keybearer.ClientRequest) { r.Client = "mcp_none" }, "invalid_client", false},
		"another host":            {func(r *keybearer.ClientRequest) { r.RedirectURI = "https://evil.example/cb" }, "invalid_request", false},
		"another path":            {func(r *keybearer.ClientRequest) { r.RedirectURI = "https://agent.example/cb/x" }, "invalid_request", false},
		"another local path":      {func(r *keybearer.ClientRequest) { r.RedirectURI = "http://127.0.0.1:7999/other" }, "invalid_request", false},
		"localhost for 127.0.0.1": {func(r *keybearer.ClientRequest) { r.RedirectURI = "http://localhost/callback" }, "invalid_request", false},
		"user info":               {func(r *keybearer.ClientRequest) { r.RedirectURI = "http://127.0.0.1@evil.example/callback" }, "invalid_request", false},
		"no redirect URI of two":  {func(r *keybearer.ClientRequest) { r.RedirectURI = "" }, "invalid_request", false},
		"the implicit flow":       {func(r *keybearer.ClientRequest) { r.ResponseType = "token" }, "unsupported_response_type", true},
		"no PKCE":                 {func(r *keybearer.ClientRequest) { r.Challenge, r.ChallengeMethod = "", "" }, "invalid_request", true},
		"plain PKCE":              {func(r *keybearer.ClientRequest) { r.ChallengeMethod = "plain" }, "invalid_request", true},
		"a short challenge":       {func(r *keybearer.ClientRequest) { r.Challenge = "YQ" }, "invalid_request", true},
		"another resource":        {func(r *keybearer.ClientRequest) { r.Resource = "https://other.example.com/mcp" }, "invalid_target", true},
		"a resource like ours":    {func(r *keybearer.ClientRequest) { r.Resource = clientResource + "x" }, "invalid_target", true},
		"a long state":            {func(r *keybearer.ClientRequest) { r.State = strings.Repeat("x", 2001) }, "invalid_request", true},
	} {
		r := h.request(c.change)
		_, err := h.b.CheckClientRequest(t.Context(), &r)
		wantClientError(t, what, err, c.code)
		if e, ok := errors.AsType[*keybearer.ClientError](err); ok && e.Redirect != c.redirect {
			t.Errorf("%s: the browser may take it to the client: %v, want %v", what, e.Redirect, c.redirect)
		}
		if _, err := h.b.AllowClient(t.Context(), r, "alice"); err == nil {
			t.Errorf("%s: allowed", what)
		}
	}
	ours := h.request(func(r *keybearer.ClientRequest) { r.Resource = "" })
	if _, err := h.b.CheckClientRequest(t.Context(), &ours); err != nil || ours.Resource != clientResource {
		t.Errorf("no resource: got %q, %v, want the default gateway", ours.Resource, err)
	}
	answer, err := url.Parse(ours.Answer("https://keys.example.com", secret.New("CODE"), nil))
	if err != nil || answer.Host != "127.0.0.1:7999" || answer.Query().Get("iss") != "https://keys.example.com" || answer.Query().Get("state") != "s" || answer.Query().Get("code") != "CODE" {
		t.Errorf("got the answer %s, %v", answer, err)
	}
}

func TestRegistrationHasBounds(t *testing.T) {
	h := newClientHouse(t)
	for what, d := range map[string]keybearer.ClientDraft{
		"no redirect URI":   {},
		"eleven":            {RedirectURIs: strings.Split(strings.Repeat("https://a.example/ ", 10)+"https://a.example/", " ")},
		"http elsewhere":    {RedirectURIs: []string{"http://agent.example/cb"}},
		"a script":          {RedirectURIs: []string{"javascript:alert(1)"}},
		"data":              {RedirectURIs: []string{"data:text/html,x"}},
		"a file":            {RedirectURIs: []string{"file:///etc/passwd"}},
		"a fragment":        {RedirectURIs: []string{"https://a.example/#x"}},
		"user info":         {RedirectURIs: []string{"https://a@b.example/"}},
		"no scheme":         {RedirectURIs: []string{"//a.example/"}},
		"a line break":      {RedirectURIs: []string{"https://a.example/\nx"}},
		"a long one":        {RedirectURIs: []string{"https://a.example/" + strings.Repeat("x", 1000)}},
		"a long name":       {Name: strings.Repeat("x", 201), RedirectURIs: []string{clientBack}},
		"a name with lines": {Name: "a\nb", RedirectURIs: []string{clientBack}},
	} {
		if c, err := h.b.RegisterClient(t.Context(), d); err == nil {
			t.Errorf("%s: registered as %+v", what, c)
		}
	}
	if _, err := h.b.RegisterClient(t.Context(), keybearer.ClientDraft{RedirectURIs: []string{"cursor://anysphere.cursor-mcp/oauth/callback"}}); err != nil {
		t.Errorf("a scheme of a program's own: %v", err)
	}
}

func TestOneOfTwoWhoRedeemACodeGetsTokens(t *testing.T) {
	h := newClientHouse(t)
	code := h.code()
	var all sync.WaitGroup
	got := make(chan keybearer.ClientTokens, 8)
	for range 8 {
		all.Go(func() {
			if tokens, err := h.redeem(code); err == nil {
				got <- tokens
			}
		})
	}
	all.Wait()
	if len(got) > 1 {
		t.Errorf("%d got tokens for one code", len(got))
	}
}

func TestWhatPeopleAllowIsInTheAudit(t *testing.T) {
	h := newClientHouse(t)
	tokens := h.tokens()
	h.b.RefuseClient(h.request(nil), "alice")
	if err := h.b.EndClient(t.Context(), h.client.ID, tokens.Access); err != nil {
		t.Fatal(err)
	}
	var lines []string
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if strings.HasPrefix(e.Action, "client.") {
			lines = append(lines, e.Action+" "+e.Outcome)
			for _, token := range []secret.String{tokens.Access, tokens.Refresh} {
				if strings.Contains(e.Reason+e.Actor, token.Reveal()) {
					t.Errorf("the line %s has a token in it", e.Action)
				}
			}
		}
	}
	if got := strings.Join(lines, ", "); got != "client.register ok, client.allow ok, client.allow permission_denied, client.end ok" {
		t.Errorf("got %s", got)
	}
}

func FuzzClientRequest(f *testing.F) {
	f.Add("code", clientBack, "s", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256", clientResource, "kbc_x.y")
	f.Add("token", "https://agent.example/cb", "", "", "plain", "https://keys.example.com/mcp/a", "kba_")
	f.Fuzz(func(t *testing.T, kind, back, state, challenge, method, resource, token string) {
		h := emptyClientHouse(t)
		r := keybearer.ClientRequest{ResponseType: kind, Client: h.client.ID, RedirectURI: back, State: state, Challenge: challenge, ChallengeMethod: method, Resource: resource}
		_, err := h.b.CheckClientRequest(t.Context(), &r)
		e, refused := errors.AsType[*keybearer.ClientError](err)
		if u, parsed := url.Parse(r.Answer("https://keys.example.com", secret.New("c"), nil)); err == nil || refused && e.Redirect {
			if parsed != nil || u.Host != "agent.example" && u.Hostname() != "127.0.0.1" {
				t.Errorf("the browser would go to %s", u)
			}
		}
		for _, f := range []func() error{
			func() error {
				_, err := h.b.RedeemClientCode(t.Context(), h.client.ID, back, resource, secret.New(token), secret.New(challenge))
				return err
			},
			func() error {
				_, err := h.b.RefreshClient(t.Context(), h.client.ID, resource, secret.New(token))
				return err
			},
		} {
			if f() == nil {
				t.Errorf("%q gave tokens", token)
			}
		}
	})
}
