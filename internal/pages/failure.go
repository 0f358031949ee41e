package pages

import (
	"cmp"
	"crypto/rand"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

// failure is a page that says what happened, why, and what to do next.
type failure struct {
	status                int
	title, happened, next string
	hint                  string // what the door knows besides, or ""
	back, backText        string // a link, or ""
	retryAfter            time.Duration
}

// words are what the kinds say to a person at a browser. What an operator has to know is in the
// log, under the same reference.
func words(kind keybearer.Kind) (title, happened, next string) {
	const again = "Go back to your app and start again: it gives you a new link."
	switch kind {
	case keybearer.BadRequest:
		return "This answer does not fit",
			"What came back does not belong to an authorization that is waiting in this browser. Links work once, for a limited time, and only in the browser that opened them.",
			"If you have already seen that you are connected, all is well. Otherwise go back to your app and start again."
	case keybearer.NotFound:
		return "This authorization is not known",
			"There is no authorization under this address, or it was cleared away because it is too old.", again
	case keybearer.AuthorizationFailed:
		return "Access was not granted",
			"The authorization ended without access. Nothing was stored.",
			"If that is what you wanted, you are done. Otherwise go back to your app and start again."
	case keybearer.AuthorizationEnded:
		return "This authorization is over",
			"It was already finished, or it was not finished in time.", again
	case keybearer.UserMismatch:
		return "This is for somebody else",
			"The authorization was started for another user than the one who is here.",
			"Sign in as that user, or go back to your app and start again as yourself."
	case keybearer.ProviderInactive:
		return "This provider is switched off",
			"Whoever operates this service has switched the provider off.", "Ask the operator of this service to switch it on."
	case keybearer.ProviderNotFound, keybearer.AmbiguousProvider:
		return "This provider is not set up",
			"The provider of this authorization is no longer set up here.", "Ask the operator of this service."
	case keybearer.ProviderRefused:
		return "The provider refused",
			"The provider did not accept what this service sent. Nothing was stored.",
			"Start again from your app. If it happens once more, tell the operator of this service: its settings for the provider may be wrong."
	case keybearer.ProviderAway:
		return "The provider did not answer",
			"The provider could not be reached, or was too slow. Nothing was stored.", "Wait a minute, then start again from your app."
	case keybearer.Unavailable:
		return "Not available at the moment",
			"This service cannot read or write its data just now.", "Wait a minute, then try again."
	case keybearer.RateLimited:
		return "Too many attempts",
			"There were too many attempts in a short time.", "Wait a moment, then try again."
	case keybearer.PermissionDenied:
		return "This was not allowed",
			"The request was refused.", "Open the link from your app again, and use the buttons on the page itself."
	case keybearer.TooLarge, keybearer.UnsupportedMedia:
		return "This answer cannot be read",
			"What was sent is too long, or not in a form that is understood here.",
			"Start again from your app. If it happens once more, tell the operator of this service."
	case keybearer.Unauthenticated:
		return "Please sign in", "You are not signed in.", "Sign in, then try again."
	case keybearer.Conflict:
		return "Something else was faster",
			"The same authorization was being worked on in another window.", "Look there first; otherwise start again from your app."
	}
	return "Something went wrong here",
		"This service made a mistake. It is not your doing.",
		"Try again. If it happens once more, give the reference below to the operator of this service."
}

// fail shows the page of an error.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) { d.failed(w, r, err, "") }

func (d *door) failed(w http.ResponseWriter, r *http.Request, err error, hint string) {
	if r.Context().Err() != nil {
		return // the browser has gone; what was begun for it goes on without it
	}
	kind := keybearer.KindOf(err)
	f := failure{status: kind.HTTPStatus(), hint: hint}
	f.title, f.happened, f.next = words(kind)
	if e, ok := errors.AsType[*keybearer.Error](err); ok {
		f.retryAfter = e.RetryAfter
	}
	d.showError(w, r, f, err)
}

// show shows a failure that has no error behind it.
func (d *door) show(w http.ResponseWriter, r *http.Request, f failure) { d.showError(w, r, f, nil) }

func (d *door) showError(w http.ResponseWriter, r *http.Request, f failure, err error) {
	why, next := explain(err)
	page := failurePage{
		Heading: f.title, Happened: f.happened, Why: why, Hint: f.hint, Next: cmp.Or(next, f.next),
		Back: f.back, BackText: f.backText, Reference: reference(), Grave: f.status >= http.StatusInternalServerError,
	}
	if page.Back == "" {
		page.Back, page.BackText = d.back, d.backText
	}
	if f.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	d.note(r, f.status, page.Reference, err)
	d.views.render(w, f.status, "failure", page)
}

// note writes what a person was shown to the log. It writes the pattern of the path and not the
// URL, which may hold a code and a state.
func (d *door) note(r *http.Request, status int, reference string, err error) {
	level := slog.LevelInfo
	if status >= http.StatusInternalServerError || status == 0 {
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("method", clean(r.Method, 20)), slog.String("path", r.Pattern), slog.Int("status", status)}
	if reference != "" {
		attrs = append(attrs, slog.String("reference", reference))
	}
	if err != nil {
		attrs = append(attrs, slog.String("kind", string(keybearer.KindOf(err))), slog.String("error", clean(err.Error(), 2000)))
	}
	d.log.LogAttrs(r.Context(), level, "a page told of a failure", attrs...)
}

// explain gives the reason for people, and what to do next where the error knows better than its
// kind. Either may be "". What went wrong inside stays in the log.
func explain(err error) (why, next string) {
	e, ok := errors.AsType[*keybearer.Error](err)
	if !ok || e.Err == nil {
		return "", ""
	}
	switch keybearer.KindOf(err) {
	case keybearer.Internal, keybearer.Unavailable: // for the operator, and in the log
		return "", ""
	}
	wire, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return sentence(clean(e.Error(), maxReason)), ""
	}
	switch advice := sentence(clean(wire.Advice, maxReason)); wire.Class {
	case oauth.Misconfigured, oauth.Transient: // the advice is for the operator, who finds it in the log
		return providersWords(wire), ""
	default:
		return providersWords(wire), advice
	}
}

const maxReason = 600 // characters

// providersWords quotes the provider.
func providersWords(e *oauth.Error) string {
	said, code := clean(e.Description, maxReason), clean(e.Code, 100)
	switch {
	case code == "" && said == "" && e.Status == 0:
		return ""
	case code == "" && said == "":
		return "The provider answered with the status " + strconv.Itoa(e.Status) + "."
	case code == "":
		return sentence(said)
	case said == "":
		return "The provider said: " + code + "."
	}
	return "The provider said: “" + said + "” (" + code + ")"
}

// sentence gives a text a capital and a full stop.
func sentence(text string) string {
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	text = string(unicode.ToUpper(first)) + text[size:]
	switch last, _ := utf8.DecodeLastRuneInString(text); last {
	case '.', '!', '?', '…', ')':
		return text
	}
	return text + "."
}

// reference draws what ties a page to its line in the log: eight characters that can be read aloud.
func reference() string {
	text := rand.Text()
	return text[:4] + "-" + text[4:8]
}
