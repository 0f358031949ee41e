package pages

import (
	"net/http"
	"strings"

	"github.com/keybearer/keybearer"
)

// startPage binds the browser to the flow. Where nothing else proves who consents it asks first and
// begins nothing, so that neither a link preview nor a redirect can begin a flow; else it goes on at once.
func (d *door) startPage(w http.ResponseWriter, r *http.Request) {
	id, ok := authorizationID(r)
	if !ok {
		d.notFound(w, r)
		return
	}
	if refusePrefetch(w, r) {
		return
	}
	browser := d.site.keepBrowser(w, r)
	visitor := d.broker.Visitor(browser)
	page, err := visitor.Start(r.Context(), id)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	switch {
	case page.Completed:
		d.views.render(w, http.StatusOK, "success", successPage{
			User: clean(string(page.User), maxUserID), Provider: clean(page.Provider, 100), Next: page.NextURI, Before: true,
		})
	case page.NeedsConfirmation || !topLevel(r):
		d.withForm(w)
		d.views.render(w, http.StatusOK, "start", newStartPage(page))
	default:
		to, err := visitor.Begin(r.Context(), id)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		seeOther(w, to)
	}
}

// start is the button of the start page.
func (d *door) start(w http.ResponseWriter, r *http.Request) {
	id, ok := authorizationID(r)
	if !ok {
		d.notFound(w, r)
		return
	}
	browser, ok := d.site.browser(r)
	if !ok {
		d.show(w, r, failure{
			status: http.StatusBadRequest, title: "Your browser did not keep our cookie",
			happened: "The cookie that ties this authorization to your browser did not come back.",
			next:     "Allow cookies for " + d.site.host + ", then open the link from your app again.",
			back:     d.site.at("/start/" + string(id)), backText: "Try again",
		})
		return
	}
	to, err := d.broker.Visitor(browser).Begin(r.Context(), id)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.site.setCookie(w, browserCookie, browser.Reveal(), browserLife)
	d.goOn(w, to)
}

// goOn sends the browser to another site in answer to a form. A redirect would not arrive: Chrome
// applies the form-action of our policy to every redirect that follows a form, the provider's own
// included, and we cannot know those. A page of ours that goes on by itself ends the form's way.
func (d *door) goOn(w http.ResponseWriter, to string) {
	d.views.render(w, http.StatusOK, "onward", onwardPage{To: to, Host: hostOf(to)})
}

func authorizationID(r *http.Request) (keybearer.AuthorizationID, bool) {
	id := r.PathValue("id")
	return keybearer.AuthorizationID(id), isID(id) && strings.HasPrefix(id, "ac_")
}
