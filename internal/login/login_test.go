package login_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/login"
	"github.com/keybearer/keybearer/seal"
)

func open(t *testing.T) *login.Door {
	t.Helper()
	d, err := login.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return d
}

func send(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(page)
}

func request(t *testing.T, method, at string, form url.Values) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

func keyForm() login.Form {
	return login.Form{
		Title: "Connect Words", Shown: "http://127.0.0.1:7998/callback", ShownAs: "The callback URL:",
		Fields: []login.Field{{Name: "id", Label: "Client id"}, {Name: "key", Label: "API key", Hidden: true}},
		Check: func(answers map[string]string) error {
			if answers["key"] == "wrong" {
				return errors.New("This is not one of its keys.") //nolint:staticcheck // shown to people as it stands
			}
			return nil
		},
	}
}

func TestFormGivesItsAnswersOnce(t *testing.T) {
	d := open(t)
	asking := d.Ask(keyForm())
	status, page := send(t, request(t, "GET", asking.URL, nil))
	for _, want := range []string{"Connect Words", "http://127.0.0.1:7998/callback", `name="id"`, `type="password"`} {
		if status != 200 || !strings.Contains(page, want) {
			t.Errorf("got %d and a page without %s", status, want)
		}
	}
	for form, says := range map[string]string{"id=x": "API key is missing", "id=x&key=wrong": "not one of its keys"} {
		values, _ := url.ParseQuery(form)
		if status, page := send(t, request(t, "POST", asking.URL, values)); status != 422 || !strings.Contains(page, says) || strings.Contains(page, `value="wrong"`) {
			t.Errorf("%s: got %d, want to be told that %s, and the key not to come back", form, status, says)
		}
	}
	if status, _ := send(t, request(t, "POST", asking.URL, url.Values{"id": {" x "}, "key": {"right\n"}})); status != 200 {
		t.Errorf("got %d for answers that are right", status)
	}
	answers, err := asking.Wait(t.Context())
	if err != nil || answers["id"] != "x" || answers["key"] != "right" {
		t.Errorf("got %v, %v", answers, err)
	}
	if status, page := send(t, request(t, "GET", asking.URL, nil)); status != 404 || !strings.Contains(page, "over") {
		t.Errorf("got %d for a form that was filled in, want it to be over", status)
	}
}

func TestFormIsForThisMachinesOwnPages(t *testing.T) {
	d := open(t)
	asking := d.Ask(keyForm())
	foreign := request(t, "POST", asking.URL, url.Values{"id": {"x"}, "key": {"of-mallory"}})
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, page := send(t, foreign); status != 422 || !strings.Contains(page, "another site") {
		t.Errorf("a form of another site: got %d", status)
	}
	rebound := request(t, "GET", asking.URL, nil)
	rebound.Host = "attacker.example:80"
	if status, _ := send(t, rebound); status != http.StatusMisdirectedRequest {
		t.Errorf("another name for this machine: got %d", status)
	}
	if status, _ := send(t, request(t, "GET", d.URL()+"/form/guessed", nil)); status != 404 {
		t.Errorf("a guess: got %d", status)
	}
	if status, _ := send(t, request(t, "DELETE", asking.URL, nil)); status != 405 {
		t.Errorf("another method: got %d", status)
	}
	large := url.Values{"id": {strings.Repeat("x", 1<<20)}, "key": {"y"}}
	if status, _ := send(t, request(t, "POST", asking.URL, large)); status != 422 {
		t.Errorf("a megabyte: got %d", status)
	}
	if status, _ := send(t, request(t, "GET", d.URL()+"/", nil)); status != 503 {
		t.Errorf("before there is a Broker: got %d", status)
	}
}

func TestFormGoesOnToTheNextPage(t *testing.T) {
	d := open(t)
	f := keyForm()
	f.Next = "http://127.0.0.1:9000/WORD/back"
	asking := d.Ask(f)
	if _, page := send(t, request(t, "GET", asking.URL, nil)); strings.Contains(page, "WORD") {
		t.Error("the form goes on before it is filled in")
	}
	_, page := send(t, request(t, "POST", asking.URL, url.Values{"id": {"x"}, "key": {"right"}}))
	if !strings.Contains(page, `content="0;url=http://127.0.0.1:9000/WORD/back"`) || strings.Contains(page, "your terminal") {
		t.Errorf("got\n%s", page)
	}
}

func TestBackLeadsToThePageFromWhichTheLoginBegan(t *testing.T) {
	for back, want := range map[string]string{"http://127.0.0.1:9000/WORD/back": "http://127.0.0.1:9000/WORD/back", "": "/success"} {
		d := open(t)
		d.Serve(broker(t, d.URL()), back, slog.New(slog.DiscardHandler))
		res, err := http.DefaultTransport.RoundTrip(request(t, "GET", d.Back(), nil))
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || got != want {
			t.Errorf("got %d to %s, want %s", res.StatusCode, got, want)
		}
		if _, page := send(t, request(t, "GET", d.URL()+"/success", nil)); !strings.Contains(page, "connected") {
			t.Error("there is no page at the end")
		}
		if _, page := send(t, request(t, "GET", d.URL()+"/callback?state=unknown&code=x", nil)); strings.Contains(page, "Back to your connections") != (back != "") {
			t.Errorf("with %q: a failure leads back wrongly:\n%s", back, page)
		}
		// The style sheet is what the browser would fetch last: closing waits for no more.
		send(t, request(t, "GET", d.URL()+"/assets/pages.css", nil))
	}
}

func broker(t *testing.T, at string) *keybearer.Broker {
	t.Helper()
	ring, err := seal.NewKeyring(seal.Key{ID: "test", Secret: keybearer.NewBrowserSecret()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := keybearer.New(keybearer.Config{Sealer: ring, PublicURL: at, AllowHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	return b
}

func TestFormThatNobodyFillsInEnds(t *testing.T) {
	d := open(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errors.New("the time is over"))
	defer cancel()
	_, err := d.Ask(keyForm()).Wait(ctx)
	if !errors.Is(err, keybearer.AuthorizationEnded) || !strings.Contains(err.Error(), "the time is over") {
		t.Errorf("got %v", err)
	}
}

func TestPortIsOneLogins(t *testing.T) {
	d := open(t)
	_, err := login.Open(t.Context(), d.Port())
	if !errors.Is(err, keybearer.Conflict) || !strings.Contains(err.Error(), "--port") {
		t.Errorf("got %v, want what to do about a port that is taken", err)
	}
}

func TestBrowserIsTheOneOfTheEnvironment(t *testing.T) {
	env := func(name string) (string, bool) { return map[string]string{"BROWSER": "true"}[name], true }
	if !login.Browser(t.Context(), env, "http://127.0.0.1/") {
		t.Error("a browser that was named was not opened")
	}
	env = func(name string) (string, bool) { return map[string]string{"BROWSER": "no-such-browser"}[name], true }
	if login.Browser(t.Context(), env, "http://127.0.0.1/") {
		t.Error("a browser that is not there was opened")
	}
}
