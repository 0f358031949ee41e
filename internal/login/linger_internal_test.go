package login

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// What a browser fetches after the provider has sent it back, as path and Location of each answer, and how long
// closing the door waits after it.
func TestClosingWaitsForThePageThatTheBrowserWasSentTo(t *testing.T) {
	type answer struct{ path, location string }
	for name, c := range map[string]struct {
		answers []answer
		want    time.Duration
	}{
		"nobody came":              {nil, 0},
		"sent to the success page": {[]answer{{"/callback", "/success"}}, pageTime},
		"there, without its style": {[]answer{{"/callback", "/success"}, {"/success", ""}}, styleTime},
		"there":                    {[]answer{{"/callback", "/success"}, {"/success", ""}, {"/assets/pages.css", ""}, {"/favicon.svg", ""}}, 0},
		"sent back to the desk":    {[]answer{{"/callback", "http://127.0.0.1:7998/back"}}, pageTime},
		"back at the desk":         {[]answer{{"/callback", "http://127.0.0.1:7998/back"}, {"/back", "http://127.0.0.1:9000/WORD/back"}}, 0},
		"no desk any more":         {[]answer{{"/callback", "http://127.0.0.1:7998/back"}, {"/back", "/success"}}, pageTime},
		"declined":                 {[]answer{{"/callback", ""}}, styleTime},
		"on the way there":         {[]answer{{"/start/ac_1", "https://provider.example/"}}, 0},
		"a form":                   {[]answer{{"/form/x", ""}, {"/assets/pages.css", ""}, {"/form/x", ""}}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			var o owed
			for _, a := range c.answers {
				o.asked()
				o.served(a.path, http.Header{"Location": {a.location}})
			}
			began := time.Now()
			o.settle(t.Context())
			if got := time.Since(began); got != c.want {
				t.Errorf("%s: waited %s, want %s", name, got, c.want)
			}
		})
	}
}

func TestClosingGoesOnAsSoonAsThePageIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o owed
		o.asked() // the consent is stored, and the answer is not out
		began, settled := time.Now(), make(chan time.Duration, 1)
		go func() { o.settle(t.Context()); settled <- time.Since(began) }()
		synctest.Wait()
		o.served(callbackPath, http.Header{"Location": {successPath}})
		synctest.Wait()
		o.asked()
		o.asked()
		o.served(successPath, http.Header{})
		o.served("/assets/pages.css", http.Header{})
		if got := <-settled; got != 0 {
			t.Errorf("waited %s more", got)
		}
	})
}
