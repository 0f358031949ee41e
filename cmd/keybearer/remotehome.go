package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/client"
	"github.com/keybearer/keybearer/oauth"
)

const (
	// recordEvery is how long a line for the engine's audit waits for others, and recordAtOnce how many are
	// sent together.
	recordEvery  = time.Second
	recordAtOnce = 500
	// mostWaiting bounds the lines that an engine which is away has not taken yet.
	mostWaiting = 10000
)

// remoteHome is a running engine, seen with an API key, and one of its users.
type remoteHome struct {
	*client.Client
	user keybearer.UserID

	lines  chan keybearer.Injection
	closed chan struct{}
	writes sync.WaitGroup
	once   sync.Once
}

func newRemoteHome(c *client.Client, user keybearer.UserID) *remoteHome {
	r := &remoteHome{Client: c, user: user, lines: make(chan keybearer.Injection, mostWaiting), closed: make(chan struct{})}
	r.writes.Go(r.write)
	return r
}

func (r *remoteHome) User() keybearer.UserID { return r.user }

func (r *remoteHome) Routes(ctx context.Context) ([]keybearer.Route, error) {
	return r.Client.Routes(ctx, r.user)
}

func (r *remoteHome) Authorize(ctx context.Context, q keybearer.AuthorizeRequest, again bool) (keybearer.Authorization, error) {
	if again {
		return keybearer.Authorization{}, keybearer.Errorf(keybearer.NotImplemented, "--force is for the vault on this machine: at an engine, log out first, or ask for other scopes")
	}
	return r.Client.Authorize(ctx, q)
}

func (r *remoteHome) Connect(ctx context.Context, ref keybearer.Ref, given keybearer.Credential) error {
	_, err := r.PutConnection(ctx, ref, given)
	return err
}

func (r *remoteHome) SetDefault(ctx context.Context, ref keybearer.Ref) error {
	return r.SetDefaultConnection(ctx, ref)
}

func (r *remoteHome) Providers(ctx context.Context) ([]installed, error) {
	all, err := r.Client.Providers(ctx)
	out := make([]installed, len(all))
	for i := range all {
		p := &all[i]
		out[i] = installed{ID: keybearer.ProviderID(p.ID), Type: p.ProviderID, Remote: true}
		out[i].ClientID, out[i].HasSecret = p.OAuth2.ClientID, p.OAuth2.ClientSecret.Exists
		if a := p.OAuth2.API; a != nil {
			out[i].Definition = oauth.Definition{API: oauth.API(*a)}
		}
	}
	return out, err
}

func (r *remoteHome) Install(ctx context.Context, d keybearer.ProviderDraft) error {
	if d.Type == "" {
		return keybearer.Errorf(keybearer.NotImplemented, "providers of one's own are written into the engine's engine.yaml, or sent to POST /v1/admin/auth_providers")
	}
	_, err := r.CreateProvider(ctx, api.ProviderCreate{
		ID: string(d.ID), ProviderID: d.Type, Description: d.Description,
		OAuth2: api.OAuth2Create{ClientID: d.ClientID, ClientSecret: d.ClientSecret.Reveal()},
	})
	return err
}

func (r *remoteHome) Uninstall(ctx context.Context, id keybearer.ProviderID) error {
	_, err := r.DeleteProvider(ctx, id)
	return err
}

// Record takes a line for the engine's audit. Lines that come faster than the engine takes them are lost.
func (r *remoteHome) Record(in keybearer.Injection) {
	select {
	case r.lines <- in:
	default:
	}
}

// write sends lines until the home is closed, some at a time.
func (r *remoteHome) write() {
	tick := time.NewTicker(recordEvery)
	defer tick.Stop()
	var waiting []keybearer.Injection
	send := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for len(waiting) > 0 {
			n := min(len(waiting), recordAtOnce)
			if r.RecordInjections(ctx, waiting[:n]) != nil {
				waiting = waiting[max(0, len(waiting)-mostWaiting):]
				return
			}
			waiting = waiting[n:]
		}
	}
	for {
		select {
		case one := <-r.lines:
			if waiting = append(waiting, one); len(waiting) >= recordAtOnce {
				send()
			}
		case <-tick.C:
			send()
		case <-r.closed:
			for {
				select {
				case one := <-r.lines:
					waiting = append(waiting, one)
					continue
				default:
				}
				send()
				return
			}
		}
	}
}

func (r *remoteHome) Close(ctx context.Context) error {
	r.once.Do(func() { close(r.closed) })
	written := make(chan struct{})
	go func() { defer close(written); r.writes.Wait() }()
	select {
	case <-written:
		return nil
	case <-ctx.Done():
		return errors.New("not all lines of what the proxy did reached the engine's audit")
	}
}

// installed is a provider that somebody has set up.
type installed struct {
	ID        keybearer.ProviderID
	Type      string
	ClientID  string
	HasSecret bool
	// Remote: what its definition says is known in part only.
	Remote     bool
	Definition oauth.Definition
}
