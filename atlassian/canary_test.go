package atlassian_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/providertest"
)

// Whatever happens, no secret is in a log, an error, or a value that is printed.
func TestNothingSaysASecret(t *testing.T) {
	for name, made := range map[string]func(func(*atlassian.Config)) *desk{
		"Cloud":       func(change func(*atlassian.Config)) *desk { return atCloud(t, change) },
		"Data Center": func(change func(*atlassian.Config)) *desk { return atServer(t, atlassian.Jira, change) },
	} {
		var said bytes.Buffer
		d := made(func(c *atlassian.Config) {
			c.Log = slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
		})
		secrets := []string{d.config.ClientSecret.Reveal()}
		remember := func() {
			raw, err := d.client.Export(t.Context())
			if err != nil {
				return
			}
			var m map[string]any
			if err := json.Unmarshal(raw, &m); err != nil {
				t.Fatal(err)
			}
			for _, key := range []string{"token", "refresh_token", "oauth_state", "code_verifier"} {
				if text, ok := m[key].(string); ok {
					secrets = append(secrets, text)
				}
			}
		}
		tell := func(err error) {
			if err == nil {
				t.Errorf("%s: nothing failed, so nothing was tried", name)
				return
			}
			fmt.Fprintf(&said, "%v %+v\n", err, err)
		}
		for _, fault := range []string{"error_echo", "error_script", "html", "truncated", "access_token_newline"} {
			back := d.start()
			secrets = append(secrets, back.Query().Get("code"))
			remember()
			d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault, Times: 1})
			_, err := d.client.Complete(t.Context(), back.String())
			tell(err)
			_, err = d.client.Complete(t.Context(), back.String())
			tell(err)
			_, err = d.client.Complete(t.Context(), strings.Replace(back.String(), "state=", "status=", 1))
			tell(err)
		}
		d.connect()
		remember()
		for _, fault := range []string{"error_echo", "server_error", "html"} {
			d.provider.Inject(providertest.Fault{Endpoint: providertest.Token, Name: fault, Times: 1})
			d.clock.Advance(time.Hour)
			_, err := d.client.Token(t.Context())
			tell(err)
			d.clock.Advance(5 * time.Minute)
			d.token()
			remember()
		}
		d.provider.Inject(providertest.Fault{Endpoint: providertest.API, Name: "unauthorized"})
		_, err := d.client.TestConnection(t.Context())
		tell(err)
		d.provider.Heal()
		token, err := d.client.Token(t.Context())
		status, statusErr := d.client.Status(t.Context())
		fmt.Fprintf(&said, "%v %+v %#v %v %v %+v %+v\n", token, token, token, err, statusErr, status, d.client.Config())
		remember()
		for _, secret := range secrets {
			if len(secret) < 8 {
				t.Fatalf("%s: a secret of %d letters proves nothing", name, len(secret))
			}
			if strings.Contains(said.String(), secret) {
				t.Errorf("%s: a secret of %d letters was said", name, len(secret))
			}
		}
		if len(secrets) < 20 || said.Len() < 1000 {
			t.Errorf("%s: %d secrets and %d bytes: the test does not come to its point", name, len(secrets), said.Len())
		}
	}
}
