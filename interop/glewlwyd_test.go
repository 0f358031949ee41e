package interop_test

import (
	"bytes"
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"
)

// glewlwyd is a running Glewlwyd: an OAuth server in C, of other people and other
// habits than oidc-provider's. It sends no iss in the callback, narrows the scope
// in its answers, uses each refresh token once and refuses a used one without a body.
type glewlwyd struct {
	URL                    string
	clientID, clientSecret string
	process                *process
}

// glewlwydOptions turn what a test is about.
type glewlwydOptions struct {
	redirectURI string
	accessTTL   time.Duration // default an hour
}

const (
	glewlwydUser     = "nina"
	glewlwydPassword = "only-for-tests-on-loopback"
	glewlwydScope    = "boards"
)

func startGlewlwyd(t *testing.T, o glewlwydOptions) *glewlwyd {
	t.Helper()
	need(t, partGlewlwyd)
	if o.accessTTL == 0 {
		o.accessTTL = time.Hour
	}

	dir, home, port := t.TempDir(), glewlwydHome(t), freePort(t)
	g := &glewlwyd{
		URL:          fmt.Sprintf("http://127.0.0.1:%d", port),
		clientID:     "keybearer",
		clientSecret: nonce("glewlwyd-secret"),
	}
	database := filepath.Join(dir, "glewlwyd.db")
	fillDatabase(t, database, filepath.Join(home, "usr/share/doc/glewlwyd/database/init.sqlite3.sql.gz"))

	config := filepath.Join(dir, "glewlwyd.conf")
	settings := strings.NewReplacer("PORT", fmt.Sprint(port), "HOME", home, "DATABASE", database).Replace(glewlwydConf)
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatalf("writing glewlwyd.conf: %v", err)
	}
	g.process = run(t, "glewlwyd", command{
		path: filepath.Join(home, "usr/bin/glewlwyd"), dir: dir,
		args: []string{"--config-file=" + config},
	})
	waitReady(t, g.process, g.URL+"/config", func(resp *http.Response) bool { return resp.StatusCode == http.StatusOK })

	g.furnish(t, o)
	return g
}

// furnish sets up the OpenID Connect plugin, one scope, one client and one user who
// has granted the scope to the client, all by the server's own API.
func (g *glewlwyd) furnish(t *testing.T, o glewlwydOptions) {
	t.Helper()
	admin := newPerson(t, "admin")
	g.signIn(t, admin, "admin", "password") // as the packaged database has it

	g.call(t, admin, http.MethodPost, "/api/mod/plugin/", map[string]any{
		"module": "oidc", "name": "oidc", "display_name": "OpenID Connect", "order_rank": 0,
		"parameters": map[string]any{
			"iss": g.URL, "jwt-type": "sha", "jwt-key-size": "256", "key": nonce("signing"),
			"access-token-duration": int(o.accessTTL.Seconds()), "refresh-token-duration": 86400, "code-duration": 60,
			"refresh-token-rolling": true, "refresh-token-one-use": "always",
			"allow-non-oidc": true, "subject-type": "public",
			"auth-type-code-enabled": true, "auth-type-code-revoke-replayed": true, "auth-type-refresh-enabled": true,
			"pkce-allowed": true, "pkce-required": true, "pkce-method-plain-allowed": false,
			"name-claim": "on-demand", "email-claim": "mandatory",
		},
	})
	g.call(t, admin, http.MethodPost, "/api/scope/", map[string]any{
		"name": glewlwydScope, "display_name": "Boards", "description": "Read boards", "password_required": false,
	})
	g.call(t, admin, http.MethodPost, "/api/client/", map[string]any{
		"client_id": g.clientID, "name": "Keybearer", "enabled": true, "confidential": true,
		"password": g.clientSecret, "client_secret": g.clientSecret,
		"token_endpoint_auth_method": []string{"client_secret_basic"},
		"authorization_type":         []string{"code", "refresh_token"},
		"redirect_uri":               []string{o.redirectURI},
		"scope":                      []string{},
	})
	g.call(t, admin, http.MethodPost, "/api/user/", map[string]any{
		"username": glewlwydUser, "password": glewlwydPassword, "name": "Nina", "email": "nina@boards.example",
		"enabled": true, "scope": []string{"g_profile", "openid", glewlwydScope},
	})

	nina := g.person(t)
	g.call(t, nina, http.MethodPut, "/api/auth/grant/"+g.clientID, map[string]any{"scope": "openid " + glewlwydScope})
}

// person is the user with a session at the server. Its login page is one of
// JavaScript, so the person signs in by the API that this page uses.
func (g *glewlwyd) person(t *testing.T) *person {
	t.Helper()
	nina := newPerson(t, glewlwydUser)
	g.signIn(t, nina, glewlwydUser, glewlwydPassword)
	return nina
}

func (g *glewlwyd) signIn(t *testing.T, who *person, username, password string) {
	t.Helper()
	g.call(t, who, http.MethodPost, "/api/auth/", map[string]any{"username": username, "password": password})
}

func (g *glewlwyd) call(t *testing.T, who *person, method, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatalf("asking glewlwyd %s %s: %v", method, path, err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, bytes.NewReader(text))
	if err != nil {
		t.Fatalf("asking glewlwyd %s %s: %v", method, path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := who.client.Do(req)
	if err != nil {
		t.Fatalf("asking glewlwyd %s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		t.Fatalf("glewlwyd answered %d to %s %s: %s", resp.StatusCode, method, path, answer)
	}
}

// fillDatabase makes the SQLite file from the packaged script.
func fillDatabase(t *testing.T, path, script string) {
	t.Helper()
	file, err := os.Open(script)
	if err != nil {
		t.Fatalf("opening glewlwyd's database script: %v", err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatalf("unpacking glewlwyd's database script: %v", err)
	}
	statements, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatalf("unpacking glewlwyd's database script: %v", err)
	}

	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatalf("making glewlwyd's database: %v", err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), string(statements)); err != nil {
		t.Fatalf("making glewlwyd's database: %v", err)
	}
}

// definition is this server as a provider in engine.yaml. g_continue is its own
// parameter: with it the server answers at once instead of showing its consent page.
func (g *glewlwyd) definition() providerConfig {
	return providerConfig{
		env:     []string{"BOARDS_CLIENT_SECRET=" + g.clientSecret},
		secrets: []string{g.clientSecret},
		yaml:    strings.NewReplacer("SERVER", g.URL+"/api/oidc", "OURSELVES", g.clientID).Replace(boardsYAML),
	}
}

const boardsYAML = `
- id: boards
  type: oauth2
  client_id: OURSELVES
  client_secret: ${env:BOARDS_CLIENT_SECRET}
  oauth2:
    pkce:
      enabled: true
    authorize_request:
      endpoint: SERVER/auth
      params:
        response_type: code
        client_id: "{{client_id}}"
        redirect_uri: "{{redirect_uri}}"
        scope: "openid {{scopes}} {{existing_scopes}}"
        nonce: "a value that the ID token repeats"
        g_continue: "yes"
    token_request:
      endpoint: SERVER/token
      auth_method: client_secret_basic
      params:
        grant_type: authorization_code
        redirect_uri: "{{redirect_uri}}"
    refresh_request:
      endpoint: SERVER/token
      auth_method: client_secret_basic
      params:
        grant_type: refresh_token
        refresh_token: "{{refresh_token}}"
    user_info_request:
      endpoint: SERVER/userinfo
      auth_method: bearer_access_token
      triggers:
        on_token_grant: true
        on_token_refresh: false
`

// glewlwydConf is the packaged configuration cut down to what a server on loopback
// with a folder of its own needs.
const glewlwydConf = `
port=PORT
bind_address="127.0.0.1"
external_url="http://127.0.0.1:PORT/"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_domain="127.0.0.1"
cookie_secure=0
session_expiration=86400
session_key="GLEWLWYD2_SESSION_ID"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="HOME/usr/lib/glewlwyd/user"
client_module_path="HOME/usr/lib/glewlwyd/client"
user_auth_scheme_module_path="HOME/usr/lib/glewlwyd/scheme"
plugin_module_path="HOME/usr/lib/glewlwyd/plugin"
hash_algorithm="SHA512"
database=
{
  type="sqlite3"
  path="DATABASE"
}
`
