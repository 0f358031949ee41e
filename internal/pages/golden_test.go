package pages_test

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer"
)

// What people read is kept in testdata, so that a change of it is seen. To renew:
//
//	go test ./internal/pages -run TestPagesReadAsKept -update
func TestPagesReadAsKept(t *testing.T) {
	l := newLab(t, options{verify: skipVerification()})
	b := newBrowser(t)
	a := l.authorize("https://app.example.com/done")
	golden(t, l, "home", b.get(l.url+"/"))
	golden(t, l, "start", b.get(a.URL))
	golden(t, l, "onward", b.post(a.URL, nil))
	golden(t, l, "login", b.get(l.url+"/login"))
	golden(t, l, "not-found", b.get(l.url+"/nowhere"))
	golden(t, l, "method", b.do("PUT", l.url+"/login", nil))
	golden(t, l, "no-cookie", newBrowser(t).post(a.URL, nil))
	golden(t, l, "state-unknown", b.get(l.url+"/api/v1/oauth/callback?state=never-made&code=x"))
	b.get(b.consent(l, a))
	golden(t, l, "done-before", b.get(a.URL))

	many, err := l.app().Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "bob@example.com", Scopes: []string{
		"openid", "profile", "email", "offline_access", "read:me", "read:jira-work", "write:jira-work", "manage:jira-webhook",
		"read:confluence-content.all", "repo", "https://hooli.example/auth/all",
	}})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, l, "start-many-scopes", b.get(many.URL))
	l.provider.Decline()
	golden(t, l, "declined", b.get(b.provider(b.begin(many))))

	none, err := l.app().Authorize(t.Context(), keybearer.AuthorizeRequest{ID: "hooli", User: "carol@example.com"})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, l, "start-no-scopes", b.get(none.URL))
	b.get(b.consent(l, none))
	golden(t, l, "success", b.get(l.url+"/success"))
	golden(t, l, "success-unknown", newBrowser(t).get(l.url+"/success"))
}

func TestVerifierPagesReadAsKept(t *testing.T) {
	l := newLab(t, options{})
	l.account("alice@example.com")
	l.account("mallory@example.com")
	b := newBrowser(t)
	at := b.toVerifier(l, l.authorize(""))
	golden(t, l, "verify", b.get(at))
	golden(t, l, "verify-wrong", b.post(at, signInForm("alice@example.com", "wrong")))
	golden(t, l, "verify-mismatch", b.post(at, signInForm("mallory@example.com", passwordOf)))
	golden(t, l, "home-signed-in", b.get(l.url+"/"))
	golden(t, l, "verify-stranger", newBrowser(t).get(at))
}

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, l *lab, name string, got answer) {
	t.Helper()
	file := filepath.Join("testdata", name+".html")
	text := normal(l, got.body)
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s has changed (-want +got):\n%s", file, diff)
	}
}

// normal replaces what differs from run to run.
func normal(l *lab, page string) string {
	page = strings.ReplaceAll(page, strings.TrimPrefix(l.provider.URL, "http://"), "hooli.example")
	page = strings.ReplaceAll(page, strings.TrimPrefix(l.url, "http://"), "keys.example")
	for pattern, name := range map[string]string{
		`ac_[A-Z2-7]{26}`: "ac_ID", `af_[A-Z2-7]{26}`: "af_ID", `[A-Z2-7]{4}-[A-Z2-7]{4}<`: "REFE-RENC<", `pages\.css\?v=[0-9a-f]+`: "pages.css?v=HASH",
		`(state|code_challenge)=[A-Za-z0-9_-]{43}`: "$1=RANDOM", `keys\.example|127\.0\.0\.1(:\d+)?`: "keys.example",
		`redirect_uri=[^&"]*`: "redirect_uri=HERE",
	} {
		page = regexp.MustCompile(pattern).ReplaceAllString(page, name)
	}
	return page
}
