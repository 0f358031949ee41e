package pages_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/internal/pages"
)

func doorOf(b *keybearer.Broker, publicURL string) http.Handler {
	return pages.New(pages.Config{Broker: b, PublicURL: publicURL})
}

func requestOf(method, path string) *http.Request {
	return httptest.NewRequest(method, path, http.NoBody)
}

func record(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// recordForm sends a form as a page of the same origin does.
func recordForm(h http.Handler, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return record(h, r)
}
