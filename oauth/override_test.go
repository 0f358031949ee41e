package oauth_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/keybearer/keybearer/oauth"
)

func read(t testing.TB, text string) oauth.Definition {
	t.Helper()
	var d oauth.Definition
	if text == "" {
		return d
	}
	if err := yaml.Load([]byte(text), &d, yaml.WithKnownFields()); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

func TestOverride(t *testing.T) {
	for name, c := range map[string]struct{ base, over, want string }{
		"nothing over": {sound, "", sound},
		"over nothing": {"", sound, sound},
		"endpoint only": {
			`token_request: {endpoint: "https://a.example/t", auth_method: client_secret_basic, params: {a: b}}`,
			`token_request: {endpoint: "https://b.example/t"}`,
			`token_request: {endpoint: "https://b.example/t", auth_method: client_secret_basic, params: {a: b}}`,
		},
		"params, headers and maps piece by piece": {
			`token_request: {params: {a: "1", b: "2"}, headers: {X: "1"}, response_map: {scope: $.s, id_token: $.i}}`,
			`token_request: {params: {b: "3", c: "4"}, headers: {Y: "2"}, response_map: {scope: null, expires_in: $.e}}`,
			`token_request: {params: {a: "1", b: "3", c: "4"}, headers: {X: "1", Y: "2"}, response_map: {scope: null, id_token: $.i, expires_in: $.e}}`,
		},
		"a parameter taken out": {
			`authorize_request: {params: {audience: x, scope: "{{scopes}}"}}`,
			`authorize_request: {params: {audience: ""}}`,
			`authorize_request: {params: {audience: "", scope: "{{scopes}}"}}`,
		},
		"lists as a whole": {
			`{scopes: {always: [a, b], default: [c]}, token_types: [x]}`,
			`{scopes: {always: [d]}, token_types: [y, z]}`,
			`{scopes: {always: [d], default: [c]}, token_types: [y, z]}`,
		},
		"an empty list takes the list away": {
			`scopes: {always: [a]}`, `scopes: {always: []}`, `scopes: {always: []}`,
		},
		"switches both ways": {
			`{pkce: {enabled: true}, token_introspection_request: {enabled: true}}`,
			`{pkce: {enabled: false}, token_introspection_request: {enabled: false}}`,
			`{pkce: {enabled: false}, token_introspection_request: {enabled: false}}`,
		},
		"sections that were not there": {
			`display_name: A`,
			`{refresh_request: {endpoint: x}, user_info_request: {endpoint: y}, revoke_request: {endpoint: z}}`,
			`{display_name: A, refresh_request: {endpoint: x}, user_info_request: {endpoint: y}, revoke_request: {endpoint: z}}`,
		},
		"sections in part": {
			`{user_info_request: {endpoint: x, triggers: {on_token_grant: true}}, token_introspection_request: {endpoint: x, expiration_format: relative_seconds}, refresh_request: {params: {a: b}}}`,
			`{user_info_request: {endpoint: y}, token_introspection_request: {method: POST}, refresh_request: {send_credentials_twice: true}}`,
			`{user_info_request: {endpoint: y, triggers: {on_token_grant: true}}, token_introspection_request: {endpoint: x, method: POST, expiration_format: relative_seconds}, refresh_request: {params: {a: b}, send_credentials_twice: true}}`,
		},
		"triggers as a whole": {
			`user_info_request: {triggers: {on_token_grant: true}}`,
			`user_info_request: {triggers: {on_token_refresh: true}}`,
			`user_info_request: {triggers: {on_token_grant: false, on_token_refresh: true}}`,
		},
		"the operator's rules first": {
			`errors: [{code: a, class: user, advice: x}]`, `errors: [{code: a, class: config, advice: y}]`,
			`errors: [{code: a, class: config, advice: y}, {code: a, class: user, advice: x}]`,
		},
		"the rest": {
			`{display_name: A, issuer: a, scope_delimiter: " ", expiry: {default: 1h}, refresh: {skew: 1m, reuse_grace: 1m, idle_expiry: 1h, ahead: never, rate: 3, one_grant_per_account: true}}`,
			`{display_name: B, issuer: b, scope_delimiter: ",", expiry: {default: 2h}, refresh: {skew: 2m, ahead: always, one_grant_per_account: false}}`,
			`{display_name: B, issuer: b, scope_delimiter: ",", expiry: {default: 2h}, refresh: {skew: 2m, reuse_grace: 1m, idle_expiry: 1h, ahead: always, rate: 3, one_grant_per_account: false}}`,
		},
	} {
		base, over := read(t, c.base), read(t, c.over)
		if diff := cmp.Diff(read(t, c.want), base.Override(over)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(read(t, c.base), base) + cmp.Diff(read(t, c.over), over); diff != "" {
			t.Errorf("%s changed its arguments:\n%s", name, diff)
		}
	}
}

// The admin API and engine.yaml speak of the same definition.
func TestDefinitionIsTheSameInYAMLAndJSON(t *testing.T) {
	want := read(t, sound)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var fromJSON, fromYAML oauth.Definition
	if err := json.Unmarshal(text, &fromJSON); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromJSON); diff != "" {
		t.Errorf("through JSON (-want +got):\n%s", diff)
	}
	if text, err = yaml.Marshal(want); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Load(text, &fromYAML, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, fromYAML); diff != "" {
		t.Errorf("through YAML (-want +got):\n%s", diff)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "10m": 10 * time.Minute, "2160h": 2160 * time.Hour, "0": 0, "1h30m": 90 * time.Minute} {
		var d oauth.Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.D() != want {
			t.Errorf("%s: got %s, %v, want %s", text, d.D(), err, want)
		}
		again, _ := d.MarshalText()
		var back oauth.Duration
		if err := back.UnmarshalText(again); err != nil || back != d {
			t.Errorf("%s does not read back from %s", text, again)
		}
	}
	for _, text := range []string{"", "90", "-1s", "soon", "1d"} {
		d := oauth.Duration(time.Second)
		if err := d.UnmarshalText([]byte(text)); err == nil || d.D() != time.Second {
			t.Errorf("%q: got %s, %v, want an error and the value kept", text, d.D(), err)
		}
	}
}
