package providertest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/keybearer/keybearer/providertest"
)

// probe sends one correct request to an endpoint.
func (b *bench) probe(at providertest.Endpoint) reply {
	b.t.Helper()
	switch at {
	case providertest.Token:
		return b.exchange()
	case providertest.Device:
		return b.post("/device_authorization", b.authenticated(url.Values{"scope": {"read"}}))
	case providertest.Authorize, providertest.Callback:
		return b.get(b.authorizeURL(b.request()))
	case providertest.Consent:
		b.server.Ask()
		defer b.server.Approve("")
		tx := b.tx(b.get(b.authorizeURL(b.request())).body)
		return b.post("/authorize/login", url.Values{"tx": {tx}, "username": {"alice"}, "password": {"alice"}})
	case providertest.Discovery:
		return b.get(b.server.URL + "/.well-known/oauth-authorization-server")
	}
	// The token is fetched while the fault is not in force for it.
	access, _ := b.login()
	switch at {
	case providertest.Userinfo:
		return b.bearer("/userinfo", access)
	case providertest.Introspect:
		return b.post("/introspect", b.authenticated(url.Values{"token": {access}}))
	case providertest.Revoke:
		return b.post("/revoke", b.authenticated(url.Values{"token": {access}}))
	}
	return reply{}
}

type check func(t *testing.T, r reply)

func status(want int, header ...string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if r.status != want {
			t.Errorf("got status %d, want %d", r.status, want)
		}
		for _, name := range header {
			if r.header.Get(name) == "" {
				t.Errorf("the answer lacks %s", name)
			}
		}
	}
}

func has(part string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if !strings.Contains(r.body, part) {
			t.Errorf("the answer lacks %q: %.300q", part, r.body)
		}
	}
}

func lacks(part string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if strings.Contains(r.body, part) || r.body == "" {
			t.Errorf("the answer has %q or is empty: %.300q", part, r.body)
		}
	}
}

func all(checks ...check) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		for _, c := range checks {
			c(t, r)
		}
	}
}

func broken(t *testing.T, r reply) {
	t.Helper()
	if r.err == nil {
		t.Errorf("got %d %.100q, want a broken connection", r.status, r.body)
	}
}

func notJSON(t *testing.T, r reply) {
	t.Helper()
	if json.Valid([]byte(r.body)) || r.err != nil {
		t.Errorf("got %.100q (%v), want something that is no JSON", r.body, r.err)
	}
}

// longer checks that the answer is at least n bytes long and begins as JSON.
func longer(n int) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if len(r.body) < n {
			t.Errorf("got %d bytes, want at least %d", len(r.body), n)
		}
	}
}

func oauthError(want int, code string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if r.status != want || r.oauthError() != code {
			t.Errorf("got %d %q, want %d %q", r.status, r.oauthError(), want, code)
		}
	}
}

// query checks one parameter of the redirect back.
func query(name string, values ...string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if r.location == nil {
			t.Fatalf("got %d without a redirect", r.status)
		}
		if got := r.location.Query()[name]; !slices.Equal(got, values) {
			t.Errorf("%s: got %q, want %q", name, got, values)
		}
	}
}

// queryHas checks that a parameter of the redirect satisfies a condition.
func queryHas(name string, ok func([]string) bool) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if r.location == nil {
			t.Fatalf("got %d without a redirect", r.status)
		}
		if got := r.location.Query()[name]; !ok(got) {
			t.Errorf("%s: got %.100q", name, got)
		}
	}
}

const scriptTag = `<script>alert("keybearer")</script>`

// checks says for each fault how a tester sees it.
func checks() map[string]check {
	html := has("<!doctype html>")
	success := status(200)
	jsonScript := strings.NewReplacer("<", `\u003c`, ">", `\u003e`, `"`, `\"`).Replace(scriptTag)
	elsewhere := func(t *testing.T, r reply) {
		t.Helper()
		if got := r.header.Get("Location"); got != "https://elsewhere.invalid/" {
			t.Errorf("Location: got %q", got)
		}
	}
	return map[string]check{
		"html": all(success, html), "html_error": all(status(502), html),
		"server_error":      oauthError(500, "server_error"),
		"unavailable":       status(503, "Retry-After"),
		"unavailable_until": retryDate,
		"too_many":          status(429, "Retry-After"),
		"too_many_silent": all(status(429), func(t *testing.T, r reply) {
			t.Helper()
			if r.header.Get("Retry-After") != "" {
				t.Error("got Retry-After, want none")
			}
		}),
		"redirect_302": all(status(302), elsewhere), "redirect_307": all(status(307), elsewhere),
		"closed": broken, "lost": broken, "cut_off": broken,
		"truncated": all(success, notJSON),
		"empty":     all(success, func(t *testing.T, r reply) { t.Helper(); longer(0)(t, r); lacksBody(t, r) }),
		"huge":      all(success, longer(10<<20)), "gzip_bomb": all(success, longer(16<<20)),
		"deep": all(success, longer(400_000)), "json_null": all(success, exactly("null")),
		"json_list": all(success, has("["), startsWith("[")),
		"text_plain": all(success, func(t *testing.T, r reply) {
			t.Helper()
			if got := r.header.Get("Content-Type"); !strings.HasPrefix(got, "text/plain") {
				t.Errorf("Content-Type: got %q", got)
			}
		}),
		"no_content_type": all(success, func(t *testing.T, r reply) {
			t.Helper()
			if got := r.header.Values("Content-Type"); len(got) > 0 {
				t.Errorf("Content-Type: got %q, want none", got)
			}
		}),
		"byte_order_mark": all(success, startsWith("\xef\xbb\xbf")),
		"invalid_utf8": all(success, func(t *testing.T, r reply) {
			t.Helper()
			if utf8.ValidString(r.body) {
				t.Error("the answer is valid UTF-8")
			}
		}),

		"created": all(status(201), has(`"access_token"`)),
		"nested":  startsWith(`{"data":{"access_token"`), "nested_list": startsWith(`{"data":[{"access_token"`),
		"form_encoded": all(startsWith("access_token="), header("Content-Type", "application/x-www-form-urlencoded"), has("expires_in=3600")),
		"form_as_html": all(startsWith("access_token="), header("Content-Type", "text/html; charset=utf-8")),
		"duplicate_member": func(t *testing.T, r reply) {
			t.Helper()
			if got := strings.Count(r.body, `"access_token":`); got != 2 {
				t.Errorf("access_token stands %d times, want 2", got)
			}
		},

		"no_access_token": all(success, lacks("access_token")), "empty_access_token": has(`"access_token":""`),
		"access_token_number": has(`"access_token":1234567890`), "access_token_newline": has(`\r\nX-Injected`),
		"no_refresh_token":   all(success, lacks("refresh_token"), has("access_token")),
		"null_refresh_token": has(`"refresh_token":null`), "empty_refresh_token": has(`"refresh_token":""`),

		"scope_missing": all(success, lacks("scope")), "scope_empty": has(`"scope":""`),
		"scope_array": has(`"scope":["read","write"]`), "scope_comma": has(`"scope":"read,write"`),
		"scope_narrower": has(`"scope":"write"`), "scope_wider": has(`"scope":"read write extra.scope"`),
		"scopes_key": all(has(`"scopes":"read write"`), lacks(`"scope":`)),

		"expires_missing": all(success, lacks("expires_in")), "expires_null": has(`"expires_in":null`),
		"expires_string": has(`"expires_in":"3600"`), "expires_float": has(`"expires_in":3599.5`),
		"expires_exponent": has(`"expires_in":3.6e3`), "expires_zero": has(`"expires_in":0,`),
		"expires_negative": has(`"expires_in":-60`), "expires_garbage": has(`"expires_in":"soon"`),
		"expires_overflow": has(`"expires_in":99999999999999999999`), "expires_far": has(`"expires_in":9223372036854775807`),
		"expires_milliseconds": has(`"expires_in":3600000`), "expires_in": has(`"expires_in":12.5e1`),

		"type_mac": has(`"token_type":"MAC"`), "type_dpop": has(`"token_type":"DPoP"`), "type_missing": all(success, lacks("token_type")),
		"type_lower": has(`"token_type":"bearer"`), "type_upper": has(`"token_type":"BEARER"`),

		"error_in_200": oauthError(200, "bad_verification_code"), "ok_false": all(success, has(`"ok":false`)),
		"dead_invalid_grant":          oauthError(400, "invalid_grant"),
		"dead_invalid_request":        all(oauthError(400, "invalid_request"), has("claimed by another client")),
		"dead_empty":                  all(status(400), lacksBody),
		"dead_unauthorized_client":    all(oauthError(403, "unauthorized_client"), has("refresh_token is invalid")),
		"dead_forbidden_grant":        oauthError(403, "invalid_grant"),
		"invalid_client":              all(oauthError(401, "invalid_client"), status(401, "WWW-Authenticate")),
		"multiple_client_credentials": oauthError(400, "multiple_client_credentials"),
		"slow_down":                   oauthError(400, "slow_down"),
		"expired_token":               oauthError(400, "expired_token"),
		"device_denied":               oauthError(400, "authorization_declined"),
		"verification_url":            all(success, has(`"verification_url":`)),
		"verification_plain":          all(success, has(`"http://device.example.com/"`)),
		"verification_script":         all(success, has("javascript:")),
		"user_code_script":            all(success, has(`\u001b`)),
		"device_bare":                 all(success, lacks(`"expires_in"`), lacks(`"interval"`)),
		"device_forever":              all(success, has(`"expires_in":1e9`), has(`"interval":0`)),
		"error_script":                all(oauthError(400, "invalid_request"), has(jsonScript)),
		"error_echo":                  all(oauthError(400, "invalid_request"), has("code_verifier="+verifier)),

		"unauthorized": all(status(401, "WWW-Authenticate"), oauthError(401, "invalid_token")),
		"no_subject":   all(success, lacks(`"sub"`)), "subject_number": has(`"sub":9007199254740993`),
		"issuer_wrong": has(`"issuer":"https://elsewhere.invalid"`),

		"iss_wrong": query("iss", "https://elsewhere.invalid"), "iss_missing": query("iss"),
		"state_missing": query("state"), "state_wrong": query("state", "not-a-state-of-yours"),
		"state_twice":  query("state", "the-state", "another-state"),
		"code_missing": all(query("code"), query("error")), "code_wrong": query("code", "not-a-code-of-mine"),
		"code_twice":          queryHas("code", func(v []string) bool { return len(v) == 2 }),
		"code_suffix":         queryHas("code", func(v []string) bool { return strings.HasSuffix(v[0], "#_") }),
		"code_huge":           queryHas("code", func(v []string) bool { return len(v[0]) == 16<<10 }),
		"extra_params":        query("realmId", "1234567890"),
		"form_post":           all(success, has(`method="post"`), has("the-state")),
		"error_denied_script": all(query("error", "access_denied"), query("error_description", scriptTag), query("code")),
		"error_server":        all(query("error", "server_error"), query("state", "the-state")),
		"error_unknown":       all(query("error", "consent_required_by_admin"), query("error_description")),
		"no_return":           all(success, html),
	}
}

func retryDate(t *testing.T, r reply) {
	t.Helper()
	if _, err := http.ParseTime(r.header.Get("Retry-After")); err != nil || r.status != 503 {
		t.Errorf("got %d with Retry-After %q, want 503 with a date", r.status, r.header.Get("Retry-After"))
	}
}

func lacksBody(t *testing.T, r reply) {
	t.Helper()
	if r.body != "" || r.err != nil {
		t.Errorf("got %.100q (%v), want an empty body", r.body, r.err)
	}
}

func exactly(body string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if r.body != body {
			t.Errorf("got %.100q, want %q", r.body, body)
		}
	}
}

func startsWith(part string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if !strings.HasPrefix(r.body, part) {
			t.Errorf("got %.100q, want it to start with %q", r.body, part)
		}
	}
}

func header(name, value string) check {
	return func(t *testing.T, r reply) {
		t.Helper()
		if got := r.header.Get(name); got != value {
			t.Errorf("%s: got %q, want %q", name, got, value)
		}
	}
}

func TestEachFaultDoesWhatItSays(t *testing.T) {
	checks := checks()
	for _, kind := range providertest.FaultKinds() {
		if kind.Name == "hold" || kind.Name == "hold_answer" {
			continue // have tests of their own
		}
		check, ok := checks[kind.Name]
		if !ok {
			t.Errorf("no check says how the fault %s is seen", kind.Name)
			continue
		}
		for _, at := range kind.Endpoints {
			if at == providertest.Sites || at == providertest.API || at == providertest.Revoke && bodiless(kind.Name) {
				continue // not served here; or the answer has no body to bend
			}
			t.Run(kind.Name+" at "+string(at), func(t *testing.T) {
				b := start(t, providertest.Config{SendIss: true})
				fault := providertest.Fault{Endpoint: at, Name: kind.Name, Times: 1}
				if kind.Name == "expires_in" {
					fault.Value = "12.5e1"
				}
				b.server.Inject(fault)
				check(t, b.probe(at))
				if last, _ := b.server.History().Last(at); last.Fault != kind.Name {
					t.Errorf("the history names the fault %q", last.Fault)
				}
				if left := b.server.Faults(); len(left) != 0 {
					t.Errorf("after one request: got %v left", left)
				}
				if r := b.probe(at); r.err != nil || r.status >= 400 {
					t.Errorf("the next request: got %d %v, want success", r.status, r.err)
				}
				if last, _ := b.server.History().Last(at); last.Fault != "" {
					t.Errorf("the next request still meets the fault %s", last.Fault)
				}
			})
		}
	}
}

// bodiless reports whether a fault needs a body, which /revoke has none of.
func bodiless(name string) bool {
	switch name {
	case "truncated", "json_list", "text_plain", "no_content_type", "byte_order_mark", "invalid_utf8":
		return true
	}
	return false
}

func TestEachFaultIsInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, kind := range providertest.FaultKinds() {
		if seen[kind.Name] {
			t.Errorf("the fault %s stands twice in the table", kind.Name)
		}
		seen[kind.Name] = true
		if !strings.HasSuffix(kind.Reason, ".") || kind.Name == "" || len(kind.Endpoints) == 0 {
			t.Errorf("the fault %q lacks a name, an endpoint or a sentence", kind.Name)
		}
		if line := manualLine(kind); !bytes.Contains(manual, []byte(line)) {
			t.Errorf("docs/sandbox.md lacks this line:\n%s", line)
		}
	}
}

// manualLine is a fault's row in the manual.
func manualLine(kind providertest.FaultKind) string {
	line := "| `" + kind.Name + "` | " + kind.Reason + " | "
	if kind.Value != "" {
		line += kind.Value + " "
	}
	return line + "|\n"
}

func TestFaultsQueueUpAndCount(t *testing.T) {
	b := start(t, providertest.Config{})
	b.server.Inject(
		providertest.Fault{Endpoint: providertest.Token, Name: "server_error", Times: 2},
		providertest.Fault{Endpoint: providertest.Token, Name: "too_many", Value: "30"},
		providertest.Fault{Endpoint: providertest.Token, Name: "html"},
	)
	for i, want := range []int{500, 500, 429, 429, 429} {
		r := b.post("/token", nil)
		if r.status != want {
			t.Errorf("request %d: got %d, want %d", i+1, r.status, want)
		}
		if want == 429 && r.header.Get("Retry-After") != "30" {
			t.Errorf("Retry-After: got %q, want 30", r.header.Get("Retry-After"))
		}
	}
	b.server.Heal(providertest.Userinfo)
	if len(b.server.Faults()) != 2 {
		t.Errorf("healing another endpoint: got %v", b.server.Faults())
	}
	b.server.Heal(providertest.Token)
	if r := b.exchange(); r.status != http.StatusOK {
		t.Errorf("healed: got %d, want 200", r.status)
	}
}

func TestFaultForOneGrantOnly(t *testing.T) {
	b := start(t, providertest.Config{})
	b.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "server_error", Grant: "refresh_token", Times: 1})
	_, refresh := b.login()
	want(t, "refresh", b.refresh(refresh), 500, "server_error")
	if r := b.refresh(refresh); r.status != http.StatusOK {
		t.Errorf("second refresh: got %d, want 200 (nothing was spent)", r.status)
	}
}

func TestLostAnswerHasRotated(t *testing.T) {
	b := start(t, providertest.Config{Leeway: time.Minute})
	_, refresh := b.login()
	b.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "lost", Times: 1})
	broken(t, b.refresh(refresh))
	last, _ := b.server.History().Last(providertest.Token)
	if last.Outcome != providertest.Rotated || last.Status != 0 || b.server.History().Rotations("family-1") != 1 {
		t.Errorf("got %+v, want a rotation without a status", last)
	}
	if r := b.refresh(refresh); r.status != http.StatusOK {
		t.Errorf("again within the leeway: got %d, want 200", r.status)
	}
}

func TestClosedHasNotRotated(t *testing.T) {
	b := start(t, providertest.Config{})
	_, refresh := b.login()
	b.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: "closed", Times: 1})
	broken(t, b.refresh(refresh))
	if got := b.server.History().Rotations(""); got != 0 {
		t.Errorf("got %d rotations, want 0", got)
	}
	if r := b.refresh(refresh); r.status != http.StatusOK {
		t.Errorf("again: got %d, want 200", r.status)
	}
}

func TestHoldUntilReleased(t *testing.T) {
	for name, worked := range map[string]int{"hold": 0, "hold_answer": 1} {
		t.Run(name, func(t *testing.T) {
			b := start(t, providertest.Config{})
			_, refresh := b.login()
			b.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: name, Times: 1})
			answered := make(chan reply)
			go func() { answered <- b.refresh(refresh) }()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if err := b.server.History().AwaitCalls(ctx, providertest.Token, 2); err != nil {
				t.Fatal(err)
			}
			if name == "hold_answer" {
				err := b.server.History().Await(ctx, func(rs []providertest.Record) bool {
					return rs[len(rs)-1].Outcome == providertest.Rotated
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			select {
			case r := <-answered:
				t.Fatalf("got an answer while held: %d", r.status)
			default:
			}
			if got := b.server.History().Rotations(""); got != worked {
				t.Errorf("while held: got %d rotations, want %d", got, worked)
			}
			b.server.Release()
			if r := <-answered; r.status != http.StatusOK {
				t.Errorf("released: got %d, want 200", r.status)
			}
			if got := b.server.History().Rotations(""); got != 1 {
				t.Errorf("rotations: got %d, want 1", got)
			}
		})
	}
}

func TestHoldUntilTheClientGivesUp(t *testing.T) {
	for name, rotations := range map[string]int{"hold": 0, "hold_answer": 1} {
		t.Run(name, func(t *testing.T) {
			b := start(t, providertest.Config{})
			_, refresh := b.login()
			b.server.Inject(providertest.Fault{Endpoint: providertest.Token, Name: name})
			ctx, cancel := context.WithCancel(t.Context())
			answered := make(chan reply)
			go func() {
				answered <- b.post("/token", b.refreshForm(refresh), func(r *http.Request) { *r = *r.WithContext(ctx) })
			}()
			wait, stop := context.WithTimeout(t.Context(), 10*time.Second)
			defer stop()
			history := b.server.History()
			if err := history.AwaitCalls(wait, providertest.Token, 2); err != nil {
				t.Fatal(err)
			}
			cancel()
			broken(t, <-answered)
			err := history.Await(wait, func(rs []providertest.Record) bool {
				last := rs[len(rs)-1]
				return last.Endpoint == providertest.Token && last.Outcome != providertest.Pending
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := history.Rotations(""); got != rotations {
				t.Errorf("rotations: got %d, want %d", got, rotations)
			}
		})
	}
}

func TestMisspelledFaultPanics(t *testing.T) {
	b := start(t, providertest.Config{})
	for _, f := range []providertest.Fault{
		{Endpoint: providertest.Token, Name: "no_such_fault"},
		{Endpoint: providertest.Token, Name: "state_missing"},
		{Endpoint: providertest.Token, Name: "html", Times: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was accepted", f)
				}
			}()
			b.server.Inject(f)
		}()
	}
}

func TestTLS(t *testing.T) {
	server := providertest.StartTLS(t, providertest.Config{})
	res, err := server.Client.Get(server.URL + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct {
		Issuer string `json:"issuer"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Issuer != server.URL || !strings.HasPrefix(server.URL, "https://") {
		t.Errorf("issuer: got %q at %s", doc.Issuer, server.URL)
	}
	server.Inject(providertest.Fault{Endpoint: providertest.Discovery, Name: "closed", Times: 1})
	if res, err := server.Client.Get(server.URL + "/.well-known/openid-configuration"); err == nil {
		_ = res.Body.Close()
		t.Errorf("closed over TLS: got %s, want an error", strconv.Itoa(res.StatusCode))
	}
}
