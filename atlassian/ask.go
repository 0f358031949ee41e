package atlassian

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/keybearer/keybearer"
)

const (
	sitesPath = "/oauth/token/accessible-resources"
	maxJSON   = 16 << 20 // bytes
)

// Sites lists the sites of Cloud that the token reaches, [ReadSites] of what Atlassian says now. Data Center
// has none: BadRequest. Other kinds: those of [Client.Token] and [Client.Do].
func (c *Client) Sites(ctx context.Context) ([]Site, error) {
	if c.cfg.Deployment == DataCenter {
		return nil, bad("Data Center has no sites: the server is %s", c.cfg.ServerURL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.cfg.Hosts.Sites+sitesPath, nil)
	if err != nil {
		return nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	sites, err := ReadSites(res.Body)
	if err != nil {
		return nil, keybearer.Errorf(keybearer.ProviderAway, "%w", err)
	}
	return sites, nil
}

// Site is the one that requests go to. With CloudID nobody is asked. Otherwise it is chosen once among
// [Client.Sites], and remembered until the next sign-in; the error, a [*ChoiceError] then, lists those to
// choose from.
func (c *Client) Site(ctx context.Context) (Site, error) {
	if c.cfg.CloudID != "" {
		return Site{ID: c.cfg.CloudID}, nil
	}
	for {
		if known := c.chosen.Load(); known.ID != "" {
			return *known, nil
		}
		question, first := c.asking.join()
		if first {
			question.site, question.err = c.choose(ctx)
			question.hungUp = ctx.Err() != nil
			c.asking.answer(question)
			return question.site, question.err
		}
		select {
		case <-question.answered:
		case <-ctx.Done():
			return Site{}, keybearer.Errorf(keybearer.Unavailable, "nobody waited for the list of sites: %w", ctx.Err())
		}
		if !question.hungUp {
			return question.site, question.err
		}
	}
}

func (c *Client) choose(ctx context.Context) (Site, error) {
	known := c.chosen.Load()
	sites, err := c.Sites(ctx)
	if err != nil {
		return Site{}, err
	}
	site, err := Select(sites, c.cfg.Site)
	if err != nil {
		return Site{}, err
	}
	c.chosen.CompareAndSwap(known, &site)
	return site, nil
}

// BaseURL is what paths of the API follow, without a slash at the end: the ServerURL of Data Center, or the
// product's part of the gateway for the site, such as https://api.atlassian.com/ex/jira/{cloud id}. Errors
// are those of [Client.Site].
func (c *Client) BaseURL(ctx context.Context) (string, error) {
	if c.cfg.Deployment == DataCenter {
		return c.cfg.ServerURL, nil
	}
	site, err := c.Site(ctx)
	if err != nil {
		return "", err
	}
	return c.cfg.Hosts.API + "/ex/" + string(c.cfg.Product) + "/" + site.ID, nil
}

// NewRequest makes a request to the product's API. target is a path at the site or server with its query,
// "/rest/api/3/myself", on Cloud "/wiki/api/v2/pages" for Confluence, or a whole URL.
func (c *Client) NewRequest(ctx context.Context, method, target string, body io.Reader) (*http.Request, error) {
	if strings.HasPrefix(target, "/") {
		base, err := c.BaseURL(ctx)
		if err != nil {
			return nil, err
		}
		target = base + target
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, bad("the method or the address of the request cannot be read") // it may hold anything
	}
	req.Header.Set("Accept", "application/json")
	return req, nil
}

// Do sends a request of [Client.NewRequest] by [Client.HTTPClient], and gives the answer if it is a success.
// Everything else is an error: a [*Failure] that says what the answer means, with the body closed, or what
// there was in place of an answer. Kinds: those of [Client.Token], [Client.Site] and of the Failure;
// ProviderAway where there was none.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	res, err := c.api.Do(req)
	if err != nil {
		return nil, noAnswer(req, err)
	}
	if f := Explain(res, c.fresh.Load().Scopes, c.cfg.Now()); f != nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody))
		_ = res.Body.Close()
		return nil, f
	}
	return res, nil
}

// noAnswer takes the address with its query out of an error of package http.
func noAnswer(req *http.Request, err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err
	}
	if f, ok := errors.AsType[*Failure](err); ok { // of the question for the sites
		return f
	}
	if choice, ok := errors.AsType[*ChoiceError](err); ok {
		return choice
	}
	if e, ok := errors.AsType[*keybearer.Error](err); ok {
		return e
	}
	return keybearer.Errorf(keybearer.ProviderAway, "%s %s: there was no answer: %w", printable(req.Method, 20), printable(req.URL.EscapedPath(), maxPathText), err)
}

// Get asks for JSON and reads it into a value, or forgets it where into is nil. At most 16 MiB are read.
// Errors are those of [Client.NewRequest] and [Client.Do].
func (c *Client) Get(ctx context.Context, target string, into any) error {
	req, err := c.NewRequest(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxJSON)).Decode(into); err != nil {
		return keybearer.Errorf(keybearer.ProviderAway, "%w", fmt.Errorf("reading the answer to GET %s: %w", printable(req.URL.EscapedPath(), maxPathText), err))
	}
	return nil
}
