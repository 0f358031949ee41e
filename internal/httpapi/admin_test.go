package httpapi_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/oauth"
)

// full is a provider with every part that the published clients know.
func full(at string) string {
	return `{
	"id":"my-hooli","description":"Ours","external_id":"x7f","type":"oauth2","status":"active",
	"oauth2":{
		"client_id":"lab","client_secret":"` + clientSecret + `","scope_delimiter":" ","pkce":{"enabled":true,"code_challenge_method":"S256"},
		"authorize_request":{"endpoint":"` + at + `/authorize","params":{"response_type":"code","client_id":"{{client_id}}","redirect_uri":"{{redirect_uri}}","scope":"{{scopes}} {{existing_scopes}}"}},
		"token_request":{"endpoint":"` + at + `/token","method":"POST","auth_method":"client_secret_basic","request_content_type":"application/x-www-form-urlencoded","response_content_type":"application/json","response_map":{"access_token":"$.access_token","scope":"join('$.scope', ' ')"}},
		"refresh_request":{"endpoint":"` + at + `/token","auth_method":"client_secret_basic"},
		"user_info_request":{"endpoint":"` + at + `/userinfo","auth_method":"bearer_access_token","triggers":{"on_token_grant":true,"on_token_refresh":false}},
		"token_introspection_request":{"enabled":true,"endpoint":"` + at + `/introspect","method":"POST","params":{"token":"{{access_token}}"},"response_map":{"expires_in":"$.exp","scope":["$.scope","$.scopes"]},"expiration_format":"absolute_unix_timestamp","triggers":{"on_token_grant":true,"on_token_refresh":true}}
	}}`
}

func TestProviderFromCreateToDelete(t *testing.T) {
	l := newLab(t, options{})
	created := l.do("POST", "/v1/admin/auth_providers", full(l.provider.URL)).want(201, "")
	if diff := cmp.Diff(map[string]any{"exists": true, "editable": true, "binding": "project", "value": ""}, created.at("oauth2", "client_secret")); diff != "" {
		t.Errorf("the secret (-want +got):\n%s", diff)
	}
	if got, want := created.str("oauth2", "redirect_uri"), l.url+"/api/v1/oauth/x7f/callback"; got != want {
		t.Errorf("got redirect_uri %q, want %q", got, want)
	}
	if diff := cmp.Diff(map[string]any{"id": "default", "type": "project"}, created.at("binding")); diff != "" {
		t.Errorf("the binding (-want +got):\n%s", diff)
	}
	var sent map[string]any
	if err := json.Unmarshal([]byte(full(l.provider.URL)), &sent); err != nil {
		t.Fatal(err)
	}
	settings := sent["oauth2"].(map[string]any)
	delete(settings, "client_secret")
	for name, want := range settings {
		if diff := cmp.Diff(want, created.at("oauth2", name)); diff != "" {
			t.Errorf("%s did not come back as it was sent (-want +got):\n%s", name, diff)
		}
	}

	got := l.do("GET", "/v1/admin/auth_providers/my-hooli", "").want(200, "")
	if diff := cmp.Diff(created.decoded, got.decoded); diff != "" {
		t.Errorf("what was created and what is there differ (-created +got):\n%s", diff)
	}
	page := l.do("GET", "/v1/admin/auth_providers", "").want(200, "")
	if page.at("total_count") != 2.0 || page.at("page_count") != 2.0 || page.at("offset") != 0.0 || page.str("items", 0, "id") != "hooli" || page.str("items", 1, "id") != "my-hooli" {
		t.Errorf("got %s, want hooli and my-hooli", page.text)
	}

	l.do("POST", "/v1/admin/auth_providers", full(l.provider.URL)).want(409, "conflict")
	deleted := l.do("DELETE", "/v1/admin/auth_providers/my-hooli", "").want(200, "")
	if deleted.str("id") != "my-hooli" {
		t.Errorf("got %s, want what was deleted", deleted.text)
	}
	l.do("GET", "/v1/admin/auth_providers/my-hooli", "").want(404, "not_found")
	l.do("DELETE", "/v1/admin/auth_providers/my-hooli", "").want(404, "not_found")
}

func TestProviderPatch(t *testing.T) {
	l := newLab(t, options{})
	before := l.do("POST", "/v1/admin/auth_providers", full(l.provider.URL)).want(201, "")
	const at = "/v1/admin/auth_providers/my-hooli"

	// Null, absent and, for the secret, empty change nothing.
	same := l.do("PATCH", at, `{"description":null,"oauth2":{"client_secret":"","client_id":null,"token_request":null,"refresh_request":{"endpoint":null,"params":null},"pkce":{}}}`).want(200, "")
	delete(before.decoded, "updated_at")
	delete(same.decoded, "updated_at")
	if diff := cmp.Diff(before.decoded, same.decoded); diff != "" {
		t.Errorf("a patch that says nothing changed something (-before +after):\n%s", diff)
	}

	// What is there is changed, and maps are replaced as a whole.
	r := l.do("PATCH", at, `{"description":"","status":"inactive","oauth2":{"authorize_request":{"params":{"response_type":"code","scope":"{{scopes}}"}},"token_request":{"response_map":{"access_token":"$.token"}},"expiry":{"default":"90m"},"token_types":["mac"]}}`).want(200, "")
	for _, c := range []struct {
		path []any
		want any
	}{
		{[]any{"description"}, nil},
		{[]any{"status"}, "inactive"},
		{[]any{"oauth2", "authorize_request", "params"}, map[string]any{"response_type": "code", "scope": "{{scopes}}"}},
		{[]any{"oauth2", "authorize_request", "endpoint"}, l.provider.URL + "/authorize"},
		{[]any{"oauth2", "token_request", "response_map"}, map[string]any{"access_token": "$.token"}},
		{[]any{"oauth2", "token_request", "auth_method"}, "client_secret_basic"},
		{[]any{"oauth2", "expiry", "default"}, "1h30m0s"},
		{[]any{"oauth2", "token_types"}, []any{"mac"}},
		{[]any{"oauth2", "client_secret", "exists"}, true},
		{[]any{"oauth2", "user_info_request", "triggers", "on_token_grant"}, true},
	} {
		if diff := cmp.Diff(c.want, r.at(c.path...)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.path, diff)
		}
	}
	l.do("POST", "/v1/auth/authorize", authorizeBody("my-hooli", "alice", "[]")).want(400, "provider_inactive")

	for name, body := range map[string]string{
		"other type":    `{"type":"saml"}`,
		"status":        `{"status":"asleep"}`,
		"duration":      `{"oauth2":{"refresh":{"skew":"soon"}}}`,
		"response map":  `{"oauth2":{"token_request":{"response_map":{"access_token":"join("}}}}`,
		"map of number": `{"oauth2":{"token_request":{"response_map":{"access_token":7}}}}`,
		"endpoint":      `{"oauth2":{"token_request":{"endpoint":"ftp://example.com"}}}`,
		"bad id":        `{"id":"../x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			l.do("PATCH", at, body).want(400, "bad_request")
		})
	}
	renamed := l.do("PATCH", at, `{"id":"renamed"}`).want(200, "")
	if got, want := renamed.str("oauth2", "redirect_uri"), l.url+"/api/v1/oauth/x7f/callback"; renamed.str("id") != "renamed" || got != want {
		t.Errorf("got id %q and redirect_uri %q, want renamed and %q", renamed.str("id"), got, want)
	}
	l.do("PATCH", at, `{}`).want(404, "not_found")
}

func TestProvidersOfTheFileAreReadOnly(t *testing.T) {
	l := newLab(t, options{})
	r := l.do("GET", "/v1/admin/auth_providers/hooli", "").want(200, "")
	if r.str("binding", "type") != "static" || r.at("oauth2", "client_secret", "editable") != false || r.at("oauth2", "client_secret", "exists") != true {
		t.Errorf("got %s, want a static provider whose secret cannot be edited", r.text)
	}
	l.do("PATCH", "/v1/admin/auth_providers/hooli", `{"description":"x"}`).want(403, "permission_denied")
	l.do("DELETE", "/v1/admin/auth_providers/hooli", "").want(403, "permission_denied")
}

func TestProviderCreateRefusals(t *testing.T) {
	l := newLab(t, options{})
	for name, body := range map[string]string{
		"nothing":        ``,
		"no endpoints":   `{"id":"a","oauth2":{"client_id":"x","client_secret":"y"}}`,
		"slash in id":    `{"id":"a/b","oauth2":{"client_id":"x"}}`,
		"unknown type":   `{"id":"a","provider_id":"nobody-knows","oauth2":{"client_id":"x","client_secret":"y"}}`,
		"other protocol": `{"id":"a","type":"saml","oauth2":{"client_id":"x","client_secret":"y"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			l.do("POST", "/v1/admin/auth_providers", body).want(400, "bad_request")
		})
	}
}

// The wire has a field for everything that a definition can say.
func TestSettingsKnowEveryFieldOfADefinition(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[oauth.Definition](), reflect.TypeFor[api.OAuth2Settings]()},
		{reflect.TypeFor[oauth.ScopeRules](), reflect.TypeFor[api.ScopeRules]()},
		{reflect.TypeFor[oauth.API](), reflect.TypeFor[api.ProviderAPI]()},
		{reflect.TypeFor[oauth.PKCE](), reflect.TypeFor[api.PKCE]()},
		{reflect.TypeFor[oauth.Request](), reflect.TypeFor[api.RequestConfig]()},
		{reflect.TypeFor[oauth.UserInfo](), reflect.TypeFor[api.UserInfo]()},
		{reflect.TypeFor[oauth.Introspection](), reflect.TypeFor[api.Introspection]()},
		{reflect.TypeFor[oauth.Triggers](), reflect.TypeFor[api.Triggers]()},
		{reflect.TypeFor[oauth.Expiry](), reflect.TypeFor[api.Expiry]()},
		{reflect.TypeFor[oauth.RefreshPolicy](), reflect.TypeFor[api.RefreshPolicy]()},
		{reflect.TypeFor[oauth.ErrorRule](), reflect.TypeFor[api.ErrorRule]()},
	} {
		if diff := cmp.Diff(jsonNames(pair[0]), jsonNames(pair[1])); diff != "" {
			t.Errorf("%s and %s differ (-%[1]s +%[2]s):\n%[3]s", pair[0], pair[1], diff)
		}
	}
}

func jsonNames(t reflect.Type) map[string]bool {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" {
			names[name] = true
		}
	}
	return names
}

// Every setting that goes in comes out again.
func TestEverySettingComesBack(t *testing.T) {
	l := newLab(t, options{})
	at := l.provider.URL
	extra := `{"display_name":"Hooli Inc","issuer":"` + at + `","scopes":{"always":["offline_access"],"default":["read"]},
		"token_request":{"basic_encoding":"raw","send_credentials_twice":true,"headers":{"X-Api-Version":"3"}},
		"revoke_request":{"endpoint":"` + at + `/revoke","method":"POST"},
		"device_authorization_request":{"endpoint":"` + at + `/device_authorization"},
		"expiry":{"default":"1h0m0s"},"refresh":{"skew":"1m0s","reuse_grace":"10m0s","idle_expiry":"2160h0m0s","ahead":"always","rate":3,"one_grant_per_account":false},"token_types":["mac"],
		"errors":[{"on":"refresh","status":400,"code":"gone","description":"no more","class":"reconsent","advice":"Authorize again"}]}`
	l.do("POST", "/v1/admin/auth_providers", full(at)).want(201, "")
	r := l.do("PATCH", "/v1/admin/auth_providers/my-hooli", `{"oauth2":`+extra+`}`).want(200, "")
	var want map[string]any
	if err := json.Unmarshal([]byte(extra), &want); err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		got := r.at("oauth2", name)
		if name == "token_request" { // it has what was there before, too
			for k, v := range w.(map[string]any) {
				if diff := cmp.Diff(v, r.at("oauth2", name, k)); diff != "" {
					t.Errorf("%s.%s (-want +got):\n%s", name, k, diff)
				}
			}
			continue
		}
		if diff := cmp.Diff(w, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestConnectionsInPages(t *testing.T) {
	l := newLab(t, options{})
	empty := l.do("GET", "/v1/admin/user_connections", "").want(200, "")
	if got, want := strings.TrimSpace(empty.text), `{"items":[],"limit":25,"offset":0,"page_count":0,"total_count":0}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for i := range 5 {
		l.connect(fmt.Sprintf("user-%d@example.com", i))
	}
	// As the published clients walk: the next offset is offset plus the number of items.
	var users []string
	for offset := 0; ; {
		page := l.do("GET", fmt.Sprintf("/v1/admin/user_connections?limit=2&offset=%d", offset), "").want(200, "")
		if page.at("limit") != 2.0 || page.at("offset") != float64(offset) || page.at("total_count") != 5.0 {
			t.Errorf("got %s, want limit 2, offset %d, total_count 5", page.text, offset)
		}
		items := page.at("items").([]any)
		if page.at("page_count") != float64(len(items)) {
			t.Errorf("got page_count %v, want %d", page.at("page_count"), len(items))
		}
		for i := range items {
			users = append(users, page.str("items", i, "user_id"))
		}
		if offset += len(items); offset >= 5 || len(items) == 0 {
			break
		}
	}
	if len(users) != 5 {
		t.Errorf("walked over %v, want five users", users)
	}

	for _, filter := range []string{
		"user_id=user-3@example.com", "user%5Bid%5D=user-3%40example.com", "user[id]=user-3@example.com", "user.id=user-3@example.com",
		"user_id=user-3@example.com&provider_id=hooli", "provider%5Bid%5D=hooli&user%5Bid%5D=user-3%40example.com", "provider.id=hooli&user.id=user-3@example.com",
	} {
		page := l.do("GET", "/v1/admin/user_connections?"+filter, "").want(200, "")
		if page.at("total_count") != 1.0 || page.str("items", 0, "user_id") != "user-3@example.com" {
			t.Errorf("%s: got %s, want the one connection", filter, page.text)
		}
	}
	for _, filter := range []string{"provider_id=other", "provider[id]=other", "user_id=nobody", "offset=99"} {
		if page := l.do("GET", "/v1/admin/user_connections?"+filter, "").want(200, ""); len(page.at("items").([]any)) != 0 {
			t.Errorf("%s: got %s, want nothing", filter, page.text)
		}
	}
	if got := l.do("GET", "/v1/admin/user_connections?limit=100000", "").want(200, "").at("limit"); got != 100.0 {
		t.Errorf("got limit %v, want 100", got)
	}
	for _, bad := range []string{"limit=many", "limit=-1", "offset=-1", "offset=x"} {
		l.do("GET", "/v1/admin/user_connections?"+bad, "").want(400, "bad_request")
	}
}

func TestConnectionIsShownAndDeleted(t *testing.T) {
	l := newLab(t, options{})
	auth := l.connect("alice")
	page := l.do("GET", "/v1/admin/user_connections", "").want(200, "")
	id := page.str("items", 0, "id")
	want := map[string]any{
		"id": id, "connection_id": id, "kind": "oauth2", "connection_status": "active", "provider_id": "hooli", "provider_description": "A test",
		"scopes": []any{"offline_access", "read:invoices"}, "user_id": "alice",
		"provider_user_info": page.at("items", 0, "provider_user_info"),
		"created_at":         "2026-11-22T08:00:00Z", "updated_at": "2026-11-22T08:00:00Z", "consented_at": "2026-11-22T08:00:00Z", "expires_at": "2026-11-22T09:00:00Z",
	}
	if diff := cmp.Diff(want, page.at("items", 0)); diff != "" {
		t.Errorf("the connection (-want +got):\n%s", diff)
	}
	if page.str("items", 0, "provider_user_info", "name") != "Alice Adams" {
		t.Errorf("got %s, want the user info", page.text)
	}
	l.do("DELETE", "/v1/admin/user_connections/"+id, "").want(204, "")
	l.do("DELETE", "/v1/admin/user_connections/"+id, "").want(404, "not_found")
	// What was completed before is not any more, and says so.
	l.do("GET", "/v1/auth/status?id="+auth+"&wait=5", "").want(400, "authorization_failed")
}

func TestGivenTokenIsHandedOutAsBasic(t *testing.T) {
	l := newLab(t, options{})
	const at = "/v1/admin/user_connections"
	body := `{"user_id":"bot","provider_id":"hooli","kind":"api_token","username":"bot@example.com","secret":"canary-of-the-bot","expires_at":"2026-11-23T08:00:00Z"}`
	shown := l.do("POST", at, body).want(201, "")
	if shown.str("kind") != "api_token" || shown.str("username") != "bot@example.com" || shown.str("expires_at") != "2026-11-23T08:00:00Z" || strings.Contains(shown.text, "canary") {
		t.Errorf("got %s, want what was given but for its secret", shown.text)
	}
	ask := `{"user_id":"bot","auth_requirement":{"id":"hooli","oauth2":{"scopes":["read:invoices"]}}}`
	got := l.do("POST", "/v1/auth/authorize", ask).want(200, "")
	if got.str("status") != "completed" || got.str("context", "token") != "canary-of-the-bot" || got.str("context", "username") != "bot@example.com" || got.str("context", "kind") != "api_token" {
		t.Errorf("got %s, want the token with its user name", got.text)
	}
	l.clock.move(24 * time.Hour)
	got = l.do("GET", "/v1/auth/status?id="+got.str("id"), "").want(200, "")
	if got.str("status") != "failed" || !strings.Contains(got.str("failure", "message"), "was valid until 2026-11-23T08:00:00Z): make a new API token") {
		t.Errorf("when it has ended: got %s, want to be told what to do", got.text)
	}
	body = strings.Replace(body, "2026-11-23", "2026-12-23", 1)
	for wrong, says := range map[string]string{
		`"kind":"password"`:           "use api_token, scoped_api_token",
		`"username":""`:               "username goes with an API token",
		`"secret":""`:                 "secret is needed",
		`"secret":"two words"`:        "without blanks",
		`"username":"a:b"`:            "colons",
		`"client_id":"x"`:             "goes with a service account",
		`"expires_at":"` + past + `"`: "is over",
		`"user_id":""`:                "user_id is needed",
		`"kind":"service_account"`:    "username goes with an API token",
		`"scopes":["a b"]`:            "RFC 6749 section 3.3",
	} {
		name, _, _ := strings.Cut(wrong, ":")
		trial := regexp.MustCompile(name+`:"[^"]*"`).ReplaceAllString(body, wrong)
		if trial == body {
			trial = strings.TrimSuffix(body, "}") + "," + wrong + "}"
		}
		if refused := l.do("POST", at, trial).want(400, "bad_request"); !strings.Contains(refused.str("message"), says) {
			t.Errorf("%s: got %s, want a word about %q", wrong, refused.text, says)
		}
	}
	l.do("POST", at, strings.Replace(body, `"hooli"`, `"nobody"`, 1)).want(404, "not_found")
	l.do("POST", at, body, "Authorization", appKey).want(403, "permission_denied")
}

const past = "2026-01-01T00:00:00Z"

func TestSessionVerification(t *testing.T) {
	l := newLab(t, options{})
	const at = "/v1/admin/settings/session_verification"
	r := l.do("PUT", at, `{"verifier_url":"https://other.example.com/verify","unsafe_skip_verification":false}`).want(200, "")
	want := map[string]any{"verifier_url": "https://other.example.com/verify", "unsafe_skip_verification": false, "unsafe_skip_verification_choice_allowed": false}
	if diff := cmp.Diff(want, r.decoded); diff != "" {
		t.Errorf("after PUT (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, l.do("GET", at, "").want(200, "").decoded); diff != "" {
		t.Errorf("after GET (-want +got):\n%s", diff)
	}
	want["verifier_url"] = nil
	if diff := cmp.Diff(want, l.do("PUT", at, `{"verifier_url":null}`).want(200, "").decoded); diff != "" {
		t.Errorf("built in (-want +got):\n%s", diff)
	}
	l.do("PUT", at, `{"unsafe_skip_verification":true}`).want(403, "permission_denied")
	l.do("PUT", at, `{"verifier_url":"gopher://x"}`).want(400, "bad_request")
}

func TestAPIKeys(t *testing.T) {
	l := newLab(t, options{})
	r := l.do("POST", "/v1/admin/api_keys", `{"name":"ci","providers":["hooli"],"users":"*@example.com"}`).want(201, "")
	key, id := r.str("key"), r.str("id")
	if !strings.HasPrefix(key, "arc_") || r.str("scope") != "app" || r.str("hint") != key[len(key)-4:] {
		t.Errorf("got %s, want an app key beginning with arc_ and its hint", r.text)
	}
	l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "a@example.com", "[]"), "Authorization", key).want(200, "")
	l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "a@elsewhere.org", "[]"), "Authorization", key).want(403, "permission_denied")

	list := l.do("GET", "/v1/admin/api_keys", "").want(200, "")
	if list.at("total_count") != 3.0 || strings.Contains(list.text, key) || strings.Contains(list.text, `"key"`) {
		t.Errorf("got %s, want three keys without their texts", list.text)
	}
	l.do("DELETE", "/v1/admin/api_keys/"+id, "").want(204, "")
	l.do("POST", "/v1/auth/authorize", authorizeBody("hooli", "a@example.com", "[]"), "Authorization", key).want(401, "invalid_authorization")
	if list = l.do("GET", "/v1/admin/api_keys", "").want(200, ""); !strings.Contains(list.text, "revoked_at") {
		t.Errorf("got %s, want the revoked key marked", list.text)
	}
	l.do("DELETE", "/v1/admin/api_keys/key_unknown", "").want(404, "not_found")
	l.do("POST", "/v1/admin/api_keys", `{"name":""}`).want(400, "bad_request")
	l.do("POST", "/v1/admin/api_keys", `{"name":"x","scope":"root"}`).want(400, "bad_request")
}

func TestAccounts(t *testing.T) {
	l := newLab(t, options{})
	const at = "/v1/admin/accounts"
	if got := l.do("GET", at, "").want(200, "").at("items"); len(got.([]any)) != 0 {
		t.Errorf("got %v, want no accounts", got)
	}
	// A user id with a slash in it comes percent-encoded.
	for _, user := range []string{"carol@example.com", "org%2Fcarol"} {
		r := l.do("PUT", at+"/"+user, `{"password":"`+password+`","admin":true}`).want(200, "")
		if got, want := r.str("user_id"), strings.ReplaceAll(user, "%2F", "/"); got != want || r.at("admin") != true {
			t.Errorf("got %s, want the admin %s", r.text, want)
		}
	}
	if got := l.do("GET", at, "").want(200, "").at("total_count"); got != 2.0 {
		t.Errorf("got total_count %v, want 2", got)
	}
	l.do("DELETE", at+"/org%2Fcarol", "").want(204, "")
	l.do("DELETE", at+"/org%2Fcarol", "").want(404, "not_found")
	l.do("PUT", at+"/dave", `{"password":"short"}`).want(400, "bad_request")
	l.do("PUT", at+"/dave", `{"password":12345678}`).want(400, "bad_request")
}
