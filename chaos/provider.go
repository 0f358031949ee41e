package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

const (
	providerID   = "hooli"
	clientID     = "chaos"
	clientSecret = "a-secret-that-protects-nothing"
)

// provider is the hostile one, served over real HTTP.
type provider struct {
	*providertest.Server
	url  string
	http *http.Server
	work sync.WaitGroup
}

func user(n int) string { return fmt.Sprintf("user-%04d", n) }

func startProvider(ctx context.Context, s settings, callback string) (*provider, error) {
	users := make([]providertest.User, s.connections)
	for n := range users {
		users[n] = providertest.User{Name: user(n), Password: user(n)}
	}
	p := &provider{Server: providertest.New(providertest.Config{
		Clients: []providertest.Client{{ID: clientID, Secret: clientSecret, RedirectURIs: []string{callback}}},
		Users:   users, RequirePKCE: true,
		AccessLifetime: s.life, Leeway: s.leeway,
	})}
	p.Approve("") // whoever the login_hint names
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.url = "http://" + l.Addr().String()
	p.http = &http.Server{Handler: p.Server, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	p.work.Go(func() { _ = p.http.Serve(l) })
	return p, nil
}

func (p *provider) close() error {
	p.Heal()
	err := p.http.Close()
	p.work.Wait()
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
