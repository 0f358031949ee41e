package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/providertest"
)

// refreshers is somebody who refreshes all tokens of a provider, as soon as somebody asks.
type refreshers struct {
	label    string
	replicas int // 0: nobody is between the callers and the provider
	postgres bool
	rushes   []rush
}

// rush is what it was like when all tokens had ended at once.
type rush struct {
	took     time.Duration // until the last caller had a token
	perToken float64       // refreshes in a second
	p50, p99 time.Duration
	cpu      time.Duration // processor time of the engines for one refresh
}

// refreshes measures how fast tokens are refreshed that have all ended at once, and are all asked for,
// beside callers who refresh them at the provider themselves. The provider answers as fast as it can.
func (b *bench) refreshes(ctx context.Context) error {
	all := []*refreshers{
		{label: "the provider alone"},
		{label: "SQLite", replicas: 1},
	}
	if b.postgres != nil {
		all = append(all,
			&refreshers{label: "PostgreSQL, 1 replica", replicas: 1, postgres: true},
			&refreshers{label: fmt.Sprintf("PostgreSQL, %d replicas", replicas), replicas: replicas, postgres: true})
	}
	for range b.rushes {
		for _, r := range all {
			f, err := b.rush(ctx, r)
			if err != nil {
				return fmt.Errorf("%s: %w", r.label, err)
			}
			r.rushes = append(r.rushes, f)
		}
	}
	rate := func(f rush) float64 { return f.perToken }
	name := fmt.Sprintf("\n%d tokens have ended and are asked for, %d at a time, medians of %d", b.ended, b.callers, b.rushes)
	fmt.Printf("%s\n  %-36s  refreshes/s  the last after       p50       p99  processor  / provider\n", name, "")
	for _, r := range all {
		fmt.Printf("  %-36s  %11.0f  %14s  %8s  %8s  %9s  %10.2f\n", r.label, middle(r.rushes, rate),
			middle(r.rushes, func(f rush) time.Duration { return f.took }).Round(time.Millisecond),
			middle(r.rushes, func(f rush) time.Duration { return f.p50 }).Round(10*time.Microsecond),
			middle(r.rushes, func(f rush) time.Duration { return f.p99 }).Round(10*time.Microsecond),
			middle(r.rushes, func(f rush) time.Duration { return f.cpu }).Round(time.Microsecond),
			ratio(r.rushes, all[0].rushes, rate))
	}
	fmt.Printf("  in the provider's books: each grant was rotated once each time, and no refresh token was presented twice\n")
	return nil
}

// rush gives users grants whose tokens have ended, lets everybody ask, and reads the provider's books.
func (b *bench) rush(ctx context.Context, r *refreshers) (f rush, err error) {
	provider := providertest.New(providertest.Config{
		Clients: []providertest.Client{{ID: clientID, Secret: clientSecret, RedirectURIs: []string{callback}}},
	})
	provider.Approve("")
	server := httptest.NewServer(provider)
	defer server.Close()
	if r.replicas == 0 {
		f, err = b.rushToProvider(ctx, provider, server.URL+"/token")
	} else {
		f, err = b.rushToEngines(ctx, r, provider, server.URL+"/token")
	}
	if err != nil {
		return f, err
	}
	return f, audit(provider, b.ended)
}

// audit finds in the provider's books whether each grant was rotated once.
func audit(provider *providertest.Server, grants int) error {
	var rotated, other int
	for _, g := range provider.Grants() {
		if g.Rotations == 1 && g.Leeways+g.Reuses == 0 && g.Dead == "" {
			rotated++
		} else {
			other++
		}
	}
	if rotated != grants || other > 0 {
		return fmt.Errorf("the provider rotated %d grants once, want %d; with %d it was otherwise", rotated, grants, other)
	}
	return nil
}

// consents lets everybody consent.
func (b *bench) consents(ctx context.Context, provider http.Handler, tokenEndpoint string, sealer keybearer.Sealer) (*office, error) {
	o, err := openOffice(ctx, provider, sealer, oauth.Definition{
		AuthorizeRequest: oauth.Request{Endpoint: "http://localhost/authorize", Params: map[string]string{
			"response_type": "code", "client_id": "{{client_id}}", "redirect_uri": "{{redirect_uri}}", "scope": "{{scopes}}",
		}},
		TokenRequest: oauth.Request{Endpoint: tokenEndpoint},
	}, "read", "write")
	if err != nil {
		return nil, err
	}
	err = each(2, b.ended, func(n int) error { return o.consent(ctx, user(n)) })
	return o, err
}

func (b *bench) rushToProvider(ctx context.Context, provider http.Handler, endpoint string) (f rush, err error) {
	o, err := b.consents(ctx, provider, endpoint, nil)
	if err != nil {
		return f, err
	}
	client, done := b.client()
	defer done()
	f, err = b.timed(func(n int) error { return refresh(ctx, client, endpoint, o.given[n]) })
	return f, errors.Join(err, o.close(ctx))
}

func refresh(ctx context.Context, client *http.Client, endpoint, token string) error {
	form := url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {clientID}, "client_secret": {clientSecret},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("the provider answered %s", res.Status)
	}
	return err
}

func (b *bench) rushToEngines(ctx context.Context, r *refreshers, provider http.Handler, endpoint string) (f rush, err error) {
	s, err := b.site(ctx, "rush", r.postgres, endpoint)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	if err := s.found(ctx); err != nil {
		return f, err
	}
	if err := b.end(ctx, s, provider, endpoint); err != nil {
		return f, err
	}
	var engines []*process
	defer func() {
		for _, e := range engines {
			err = errors.Join(err, e.stop())
		}
	}()
	for n := range r.replicas {
		e, err := s.start(ctx, fmt.Sprintf("engine-%d", n))
		if err != nil {
			return f, err
		}
		engines = append(engines, e)
	}
	client, done := b.client()
	defer done()
	before, err := cpu(engines)
	if err != nil {
		return f, err
	}
	f, err = b.timed(func(n int) error { return once(ctx, client, askAuthorize, engines[n%len(engines)].url, n) })
	if err != nil {
		return f, err
	}
	after, err := cpu(engines)
	f.cpu = (after - before) / time.Duration(b.ended)
	return f, err
}

// end stores connections whose tokens have just ended.
func (b *bench) end(ctx context.Context, s site, provider http.Handler, endpoint string) (err error) {
	db, sealer, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	o, err := b.consents(ctx, provider, endpoint, sealer)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, o.close(ctx)) }()
	const page = 1000
	for offset := 0; ; offset += page {
		list, _, err := o.store.Connections(ctx, keybearer.ConnectionFilter{Project: keybearer.DefaultProject, Limit: page, Offset: offset})
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list { // nobody has used them, so nobody looks after them but those who ask
			now := time.Now()
			list[i].IssuedAt, list[i].ExpiresAt, list[i].DueAt = now.Add(-time.Hour), now, now.Add(tokenLife)
		}
		if _, err := db.ImportConnections(ctx, slices.Values(list)); err != nil {
			return err
		}
	}
}

// client keeps a connection for each caller.
func (b *bench) client() (client *http.Client, done func()) {
	transport := &http.Transport{MaxIdleConnsPerHost: b.callers}
	return &http.Client{Transport: transport}, transport.CloseIdleConnections
}

// timed lets the callers ask for every token once.
func (b *bench) timed(ask func(n int) error) (rush, error) {
	times := make([]time.Duration, b.ended)
	began := time.Now()
	err := each(b.callers, b.ended, func(n int) error {
		asked := time.Now()
		err := ask(n)
		times[n] = time.Since(asked)
		return err
	})
	took := time.Since(began)
	slices.Sort(times)
	return rush{
		took: took, perToken: float64(b.ended) / took.Seconds(),
		p50: times[len(times)/2], p99: times[len(times)*99/100],
	}, err
}

// each calls do for every number below n, from so many goroutines, until one fails.
func each(workers, n int, do func(n int) error) error {
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		all.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && errs[w] == nil; i = next.Add(1) - 1 {
				if errs[w] = do(int(i)); errs[w] != nil {
					next.Store(int64(n))
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
