package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sync"

	"github.com/keybearer/keybearer"
)

// consentAll lets every user consent, a few at a time, and returns the authorizations by user.
func consentAll(ctx context.Context, s settings, t *town) ([]keybearer.AuthorizationID, error) {
	ids := make([]keybearer.AuthorizationID, s.connections)
	next := make(chan int)
	failed := make(chan error, s.clients)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all sync.WaitGroup
	for range min(s.clients, 8) {
		all.Go(func() {
			for n := range next {
				id, err := t.consent(ctx, n)
				if err != nil {
					failed <- fmt.Errorf("the consent of %s: %w", user(n), err)
					cancel()
					return
				}
				ids[n] = id
			}
		})
	}
	for n := range s.connections {
		select {
		case next <- n:
		case <-ctx.Done():
		}
	}
	close(next)
	all.Wait()
	select {
	case err := <-failed:
		return nil, err
	default:
		return ids, ctx.Err()
	}
}

// consent walks one authorization: it is asked for at one replica, the browser opens the link at the
// next one, comes back to the one after that, and the end is asked for at the first.
func (t *town) consent(ctx context.Context, n int) (keybearer.AuthorizationID, error) {
	at := func(step int) *replica { return t.replicas[(n+step)%len(t.replicas)] }
	a, err := at(0).client.Authorize(ctx, keybearer.AuthorizeRequest{ID: providerID, User: keybearer.UserID(user(n)), Scopes: []string{"read"}})
	if err != nil {
		return "", err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return "", err
	}
	browser := &http.Client{Transport: t.http, Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	consentPage, err := follow(ctx, browser, at(1).here(a.URL))
	if err != nil {
		return "", err
	}
	back, err := follow(ctx, browser, consentPage+"&login_hint="+user(n)) // who sits there
	if err != nil {
		return "", err
	}
	if _, err := follow(ctx, browser, at(2).here(back)); err != nil {
		return "", err
	}
	end, err := at(0).client.Status(ctx, a.ID)
	if err == nil && end.Status != keybearer.AuthorizationCompleted {
		err = fmt.Errorf("it is %s", end.Status)
	}
	return a.ID, err
}

// follow opens a page and tells where it sends the browser.
func follow(ctx context.Context, browser *http.Client, page string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page, nil)
	if err != nil {
		return "", err
	}
	res, err := browser.Do(req)
	if err != nil {
		return "", err
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	to, err := res.Location()
	if err != nil {
		return "", fmt.Errorf("%s answered %s and sent the browser nowhere", req.URL.Path, res.Status)
	}
	return to.String(), nil
}

// here is the same page at this replica: whoever stands in front of the replicas may choose any.
func (r *replica) here(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return page
	}
	u.Host = r.address
	return u.String()
}
