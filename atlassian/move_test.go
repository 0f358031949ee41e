package atlassian_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/atlassian"
)

// exported is what a client would hand to the module.
func exported(t *testing.T, c *atlassian.Client) map[string]any {
	t.Helper()
	raw, err := c.Export(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func asMap(t *testing.T, m map[string]any) []byte {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// An integration with the module's map in its context goes on without a new login.
func TestModulesMapIsTakenOverWithoutANewLogin(t *testing.T) {
	for name, made := range map[string]func() *desk{
		"Cloud":       func() *desk { return atCloud(t, nil) },
		"Data Center": func() *desk { return atServer(t, atlassian.Confluence, nil) },
	} {
		old := made().connect()
		m := exported(t, old.client)
		m["last_run"] = map[string]any{"offset": 7.0}
		for _, how := range []string{"import", "in the store"} {
			store := &atlassian.MemoryStore{}
			old.config.Store = store
			moved := old.another()
			if how == "import" {
				if err := moved.Import(t.Context(), asMap(t, m)); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			} else if err := store.Swap(t.Context(), nil, asMap(t, m)); err != nil {
				t.Fatal(err)
			}
			if got, err := moved.Token(t.Context()); err != nil || got.Access.Reveal() != m["token"] {
				t.Errorf("%s, %s: got another token: %v", name, how, err)
			}
			if _, err := moved.TestConnection(t.Context()); err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
			}
			if diff := cmp.Diff(m, exported(t, moved)); diff != "" {
				t.Errorf("%s, %s: what came back differs (-module +ours):\n%s", name, how, diff)
			}
			old.clock.Advance(time.Hour)
			if _, err := moved.TestConnection(t.Context()); err != nil {
				t.Errorf("%s, %s, renewed: %v", name, how, err)
			}
			again := exported(t, moved)
			if again["token"] == m["token"] || again["refresh_token"] == m["refresh_token"] || again["valid_until"] == m["valid_until"] {
				t.Errorf("%s, %s: the map was not renewed", name, how)
			}
			if diff := cmp.Diff(m["last_run"], again["last_run"]); diff != "" {
				t.Errorf("%s, %s: somebody else's key was lost:\n%s", name, how, diff)
			}
			m = again
		}
		if h := old.provider.History(); h.Reuses() != 0 {
			t.Errorf("%s: %d reuses", name, h.Reuses())
		}
	}
}

func TestExportHasTheModulesKeysAndNoOthers(t *testing.T) {
	d := atCloud(t, nil)
	_, err := d.client.Export(t.Context())
	refused(t, "nothing", err, keybearer.NotFound)
	back := d.start()
	waiting := exported(t, d.client)
	if waiting["oauth_state"] != back.Query().Get("state") || waiting["code_verifier"] == nil || len(waiting) != 2 {
		t.Errorf("a sign-in that waits has %d keys", len(waiting))
	}
	if _, err := d.client.Complete(t.Context(), back.String()); err != nil {
		t.Fatal(err)
	}
	m := exported(t, d.client)
	for _, key := range []string{"token", "refresh_token", "scopes", "valid_until"} {
		if m[key] == nil {
			t.Errorf("%s is missing", key)
		}
		delete(m, key)
	}
	if len(m) != 0 {
		t.Errorf("there are %d keys more", len(m))
	}
}

func TestSignInThatTheModuleStartedIsCompleted(t *testing.T) {
	// Cloud: a state, and no PKCE.
	d := atCloud(t, nil)
	back := d.start()
	d.config.Store = &atlassian.MemoryStore{}
	moved := d.another()
	if err := moved.Import(t.Context(), asMap(t, map[string]any{"oauth_state": back.Query().Get("state")})); err != nil {
		t.Fatal(err)
	}
	if _, err := moved.Complete(t.Context(), back.String()); err != nil {
		t.Errorf("Cloud: %v", err)
	}
	_, err := moved.Complete(t.Context(), back.String())
	refused(t, "Cloud, once more", err, keybearer.BadRequest, "already finished")

	// Data Center: a verifier, and no state.
	d = atServer(t, atlassian.Jira, nil)
	back = d.start()
	verifier := exported(t, d.client)["code_verifier"]
	d.config.Store = &atlassian.MemoryStore{}
	moved = d.another()
	if err := moved.Import(t.Context(), asMap(t, map[string]any{"code_verifier": verifier})); err != nil {
		t.Fatal(err)
	}
	q := back.Query()
	q.Del("state")
	back.RawQuery = q.Encode()
	if _, err := moved.Complete(t.Context(), back.String()); err != nil {
		t.Errorf("Data Center: %v", err)
	}
}

func TestOddMapsAreReadAsTheModuleReadsThem(t *testing.T) {
	d := atCloud(t, nil).connect()
	m := exported(t, d.client)
	for name, change := range map[string]func(map[string]any){
		"no valid_until":        func(m map[string]any) { delete(m, "valid_until") },
		"valid_until of null":   func(m map[string]any) { m["valid_until"] = nil },
		"an empty token":        func(m map[string]any) { m["token"] = "" },
		"scopes in a list":      func(m map[string]any) { m["scopes"] = []string{"read:jira-user", "read:jira-work"} },
		"valid_until in quotes": func(m map[string]any) { m["valid_until"] = "0" },
	} {
		changed := map[string]any{}
		for key, value := range m {
			changed[key] = value
		}
		change(changed)
		d.config.Store = &atlassian.MemoryStore{}
		moved := d.another()
		if err := moved.Import(t.Context(), asMap(t, changed)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := moved.TestConnection(t.Context()); err != nil { // renewed where it has to be
			t.Errorf("%s: %v", name, err)
		}
		m = exported(t, moved)
	}
}

func TestOnlyMapsAreImported(t *testing.T) {
	d := atCloud(t, nil).connect()
	before := d.token()
	for name, given := range map[string]string{
		"nothing": "", "words": "a-refresh-token", "a list": `["token"]`, "null": "null", "nothing in it": `{"last_run": 1}`,
		"much": `{"token": "` + strings.Repeat("x", 2<<20) + `"}`,
	} {
		err := d.client.Import(t.Context(), []byte(given))
		refused(t, name, err, keybearer.BadRequest)
		if strings.Contains(err.Error(), "a-refresh-token") {
			t.Errorf("%s: the error repeats what was given", name)
		}
	}
	if d.token() != before {
		t.Error("something was imported")
	}
}

// While an integration moves over both programs may write to one map. What the module writes is newer than
// what we know.
func TestTokensThatTheModuleWritesMeanwhileAreUsed(t *testing.T) {
	store := &atlassian.MemoryStore{}
	d := atServer(t, atlassian.Jira, func(c *atlassian.Config) { c.Store = store }).connect()
	d.server.RevokeGrant(d.config.ClientID, "alice")
	d.clock.Advance(time.Hour)
	_, err := d.client.Token(t.Context())
	refused(t, "dead", err, keybearer.Reauthorize)

	other := atServer(t, atlassian.Jira, nil) // only to have another store
	d2 := &desk{t: t, clock: d.clock, provider: d.server, config: d.config, server: d.server}
	d2.config.Store = other.config.Store
	d2.client = d2.another()
	d2.connect()
	fresh := exported(t, d2.client)

	raw, err := store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for key, value := range fresh {
		m[key] = value
	}
	if err := store.Swap(t.Context(), raw, asMap(t, m)); err != nil {
		t.Fatal(err)
	}
	if d.token() != fresh["token"] {
		t.Error("the module's token is not used")
	}
	d.clock.Advance(time.Hour)
	if _, err := d.client.TestConnection(t.Context()); err != nil {
		t.Errorf("renewed: %v", err)
	}
}

func FuzzImport(f *testing.F) {
	f.Add([]byte(`{"token":"t","refresh_token":"r","scopes":"a b","valid_until":1772447000.5,"oauth_state":"s","code_verifier":"v","other":{"x":[1]}}`))
	f.Add([]byte(`{"token":1,"valid_until":"1e400","keybearer":{"version":-1,"rotation":{},"logins":[{}]}}`))
	f.Add([]byte(`{"valid_until":-1,"refresh_token":"r"}`))
	c, err := atlassian.New(cloudConfig())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, given []byte) {
		if err := c.Import(t.Context(), given); err != nil {
			if keybearer.KindOf(err) != keybearer.BadRequest {
				t.Errorf("got %v", err)
			}
			return
		}
		first, err := c.Export(t.Context())
		if err != nil {
			t.Fatalf("what was imported cannot be exported: %v", err)
		}
		if _, err := c.Status(t.Context()); err != nil {
			t.Errorf("no status: %v", err)
		}
		if err := c.Import(t.Context(), first); err != nil {
			t.Fatalf("what was exported cannot be imported: %v", err)
		}
		second, err := c.Export(t.Context())
		if err != nil || string(second) != string(first) {
			t.Errorf("got %q, then %q (%v)", first, second, err)
		}
	})
}
