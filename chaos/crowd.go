package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/keybearer/keybearer"
)

// crowd are the clients: each asks for a token of a random connection at a random replica, and uses it.
type crowd struct {
	town *town
	ids  []keybearer.AuthorizationID // by user

	mu      sync.Mutex
	tally   map[string]int // how the askings ended
	refused []misfit
	foreign []misfit
}

// misfit is a token that the engine handed out and that did not fit.
type misfit struct {
	user  string
	from  string // the replica's address
	asked time.Time
	used  time.Time
	end   time.Time // of the token, zero where the provider knows none
}

// mingle lets n clients ask until ctx ends.
func (c *crowd) mingle(ctx context.Context, n int) {
	var all sync.WaitGroup
	for i := range n {
		dice := c.town.s.dice(fmt.Sprint("client ", i))
		all.Go(func() {
			for ctx.Err() == nil {
				c.ask(ctx, dice.IntN(len(c.ids)), pick(dice, c.town.replicas), dice.IntN(5) == 0)
				select {
				case <-ctx.Done():
				case <-time.After(between(dice, 30*time.Millisecond, 120*time.Millisecond)):
				}
			}
		})
	}
	all.Wait()
}

// ask asks for one token and uses it. ok says that the provider took it.
func (c *crowd) ask(ctx context.Context, n int, at *replica, byStatus bool) (ok bool) {
	patient, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	began := time.Now()
	var a keybearer.Authorization
	var err error
	if byStatus {
		a, err = at.client.Status(patient, c.ids[n])
	} else {
		a, err = at.client.Authorize(patient, keybearer.AuthorizeRequest{ID: providerID, User: keybearer.UserID(user(n)), Scopes: []string{"read"}})
	}
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil:
		c.count("error: " + string(keybearer.KindOf(err)))
		return false
	case a.Status != keybearer.AuthorizationCompleted || a.Token == nil:
		c.count("a new consent is asked for")
		return false
	}
	who, status, err := c.town.whoHolds(ctx, a.Token.Access.Reveal())
	m := misfit{user: user(n), from: at.address, asked: began, used: time.Now()}
	m.end, _ = c.town.provider.Expiry(a.Token.Access.Reveal())
	switch {
	case err != nil:
		c.count("the provider was not reached")
	case status == http.StatusUnauthorized:
		c.count("the provider refused the token")
		c.note(&c.refused, m)
	case status != http.StatusOK:
		c.count(fmt.Sprintf("the provider answered %d", status))
	case who != user(n):
		c.count("the token was somebody else's")
		c.note(&c.foreign, m)
	default:
		c.count("a token that works")
		return true
	}
	return false
}

func (c *crowd) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tally[what]++
}

func (c *crowd) note(to *[]misfit, m misfit) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*to = append(*to, m)
}

// whoHolds asks the provider whose a token is.
func (t *town) whoHolds(ctx context.Context, token string) (who string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.provider.url+"/userinfo", nil)
	if err != nil {
		return "", 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := t.http.RoundTrip(req)
	if err != nil {
		return "", 0, err
	}
	defer res.Body.Close()
	var claims struct {
		Sub string `json:"sub"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&claims); err != nil {
		return "", 0, err
	}
	return claims.Sub, res.StatusCode, nil
}
