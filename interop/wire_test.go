package interop_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestCredentialsAreNeverSentTwice: the vendor's own full example puts the client's
// credentials into the parameters and asks for client_secret_basic as well. A strict
// server refuses both together, so the engine drops them from the body.
func TestCredentialsAreNeverSentTwice(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	oidc := startOIDCProvider(t, oidcOptions{
		redirectURI: callback(port, "hooli"), clientAuth: "client_secret_basic", accessTTL: shortLife,
	})
	definition := oidc.definition()
	definition.yaml = strings.ReplaceAll(definition.yaml, "\n      params:\n        grant_type:", "\n      auth_method: client_secret_basic\n      params:\n        grant_type:")
	if n := strings.Count(definition.yaml, "client_secret_basic"); n != 2 {
		t.Fatalf("auth_method stands %d times in the definition, want 2", n)
	}
	e := startEngine(t, engineOptions{port: port, providers: []providerConfig{definition}})
	c := clients()[2]

	app := c.start(t, e.URL, e.Key, "hooli", appUser, "scope1")
	newPerson(t, "gavin").consents(t, app.next(t, "please_complete").URL)
	token := app.next(t, "completed").Token
	waitUntilExpired(t, oidc.UserinfoEndpoint, token)
	c.start(t, e.URL, e.Key, "hooli", appUser, "scope1").next(t, "completed")

	requests := append(oidc.tokenRequests(t, "authorization_code"), oidc.tokenRequests(t, "refresh_token")...)
	if len(requests) < 2 {
		t.Fatalf("the server saw %d token requests, want a code and a refresh", len(requests))
	}
	for _, r := range requests {
		if r.Status != http.StatusOK || r.ClientAuth != "Basic" {
			t.Errorf("%s: got %d %s with %s authentication, want 200 with Basic", r.GrantType, r.Status, r.Error, r.ClientAuth)
		}
		for _, key := range r.BodyKeys {
			if key == "client_secret" || key == "client_id" {
				t.Errorf("%s: %s is in the body although it is in the header", r.GrantType, key)
			}
		}
	}
}

// TestTheEngineWorksBelowAPath: hosted under /arcade by a reverse proxy, with the
// clients' base URL and the callback at the provider below that path.
func TestTheEngineWorksBelowAPath(t *testing.T) {
	t.Parallel()
	withEachClient(t, func(t *testing.T, c published) {
		port := freePort(t)
		proxy := record(t, fmt.Sprintf("http://127.0.0.1:%d", port), "/arcade")
		h := startHooli(t,
			oidcOptions{redirectURI: proxy.URL + "/api/v1/oauth/hooli/callback"},
			engineOptions{port: port, publicHost: proxy.URL, confirmPage: "always"})

		app := c.start(t, proxy.URL, h.engine.Key, "hooli", appUser, "scope1")
		link := app.next(t, "please_complete").URL
		if !strings.HasPrefix(link, proxy.URL+"/") {
			t.Fatalf("the link is %s, want it below %s", link, proxy.URL)
		}
		last := newPerson(t, "gavin").consents(t, link)
		if !strings.HasPrefix(last.url.String(), proxy.URL+"/") || last.status != http.StatusOK {
			t.Errorf("the person ends on %s with %d, want a page below %s", last.url, last.status, proxy.URL)
		}
		app.next(t, "completed")
	})
}

// TestBothFormsOfTheKeyAndBothPathsAreTaken: the clients send the key without a
// scheme word, people and curl send Bearer; some callers put organization and project
// into the path.
func TestBothFormsOfTheKeyAndBothPathsAreTaken(t *testing.T) {
	t.Parallel()
	e := startEngine(t, engineOptions{})

	for _, prefix := range []string{"/v1", "/v1/orgs/some-org/projects/some-project"} {
		for _, test := range []struct {
			name, header string
			want         int
		}{
			{"the bare key", e.Key, http.StatusOK},
			{"Bearer", "Bearer " + e.Key, http.StatusOK},
			{"bearer in small letters", "bearer " + e.Key, http.StatusOK},
			{"blanks around", "  Bearer   " + e.Key + "  ", http.StatusOK},
			{"no key", "", http.StatusUnauthorized},
			{"another key", "Bearer " + nonce("arc"), http.StatusUnauthorized},
			{"another scheme", "Basic " + e.Key, http.StatusUnauthorized},
		} {
			t.Run(prefix+" "+test.name, func(t *testing.T) {
				req := e.request(t, http.MethodGet, "", nil)
				req.URL.Path = prefix + "/admin/auth_providers"
				req.Header.Del("Authorization")
				if test.header != "" {
					req.Header.Set("Authorization", test.header)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatalf("asking %s: %v", req.URL.Path, err)
				}
				var body struct {
					Name, Message string
					Items         []any
				}
				read(t, resp, test.want, &body)
				if test.want == http.StatusUnauthorized && (body.Name != "invalid_authorization" || body.Message == "") {
					t.Errorf("got %q %q, want invalid_authorization and a message", body.Name, body.Message)
				}
				if test.want == http.StatusOK && body.Items == nil {
					t.Error("items is null, want an array")
				}
			})
		}
	}
}

// TestClientsSendTheBareKey holds the fact on which the test above rests.
func TestClientsSendTheBareKey(t *testing.T) {
	t.Parallel()
	e := startEngine(t, engineOptions{})
	withEachClient(t, func(t *testing.T, c published) {
		rec := record(t, e.URL, "")
		d := c.drive(t, rec.URL, e.Key)
		d.succeeds(t, call{Method: c.calls.providers + ".list"}, nil)
		for _, r := range rec.requests("/v1/admin/auth_providers") {
			if r.authorization != e.Key {
				t.Error("the client sent something else than the bare key")
			}
		}
	})
}

// TestNoClientTriesAMistakeTwice: the clients repeat 408, 409, 429 and 5xx by
// themselves. What is the caller's mistake must not be repeated.
func TestNoClientTriesAMistakeTwice(t *testing.T) {
	t.Parallel()
	h := startHooli(t, oidcOptions{}, engineOptions{})
	withEachClient(t, func(t *testing.T, c published) {
		rec := record(t, h.engine.URL, "")
		known, stranger := c.drive(t, rec.URL, h.engine.Key), c.drive(t, rec.URL, nonce("arc"))
		taken := ownProvider("taken-"+strings.ToLower(nonce("p"))[:10], h.oidc)
		known.succeeds(t, known.with(c.calls.providers+".create", taken), nil)

		for _, test := range []struct {
			name   string
			driver *driverRun
			call   call
			path   string
			class  string // "" where the status is the engine's choice
			error  string // the name on the wire, "" where it is the engine's choice
		}{
			{
				"an unknown provider", known,
				call{Method: "auth.start", Args: []any{appUser, "nobody-knows"}},
				"/v1/auth/authorize", "BadRequestError", "provider_not_found",
			},
			{
				"no user", known,
				call{Method: "auth.start", Args: []any{"", "hooli"}},
				"/v1/auth/authorize", "BadRequestError", "bad_request",
			},
			{
				"a wrong key", stranger,
				call{Method: "auth.start", Args: []any{appUser, "hooli"}},
				"/v1/auth/authorize", "AuthenticationError", "invalid_authorization",
			},
			{
				"an id that is taken", known, known.with(c.calls.providers+".create", taken),
				"/v1/admin/auth_providers", "", "",
			},
			{
				"a provider that is not there", known, known.with(c.calls.providers+".get", nil, "nobody-knows"),
				"/v1/admin/auth_providers/nobody-knows", "NotFoundError", "",
			},
			{
				"removing a provider of the file", known, known.with(c.calls.providers+".delete", nil, "hooli"),
				"/v1/admin/auth_providers/hooli", "", "",
			},
		} {
			t.Run(test.name, func(t *testing.T) {
				before := len(rec.requests(test.path))
				got := test.driver.raises(t, test.call)
				if got.Code < 400 || got.Code >= 500 || test.class != "" && got.Class != test.class {
					t.Errorf("got %s %d, want %s and a 4xx", got.Class, got.Code, test.class)
				}
				if got.name() == "" || test.error != "" && got.name() != test.error {
					t.Errorf("got the name %q, want %q (%s)", got.name(), test.error, got.Text)
				}
				if n := len(rec.requests(test.path)) - before; n != 1 {
					t.Errorf("%d requests to %s, want 1", n, test.path)
				}
			})
		}
	})
}

// TestAnEngineThatIsAwayIsAConnectionError: what an app sees while the engine restarts.
func TestAnEngineThatIsAwayIsAConnectionError(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	withEachClient(t, func(t *testing.T, c published) {
		d := c.drive(t, gone.URL, nonce("arc"))
		if got := d.raises(t, call{Method: "health.check"}); got.Class != "APIConnectionError" {
			t.Errorf("got %s, want APIConnectionError", got.Class)
		}
	})
}
