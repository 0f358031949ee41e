package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// tools measures what it costs to call a tool through the engine: by the API beside a direct call of the worker, by MCP beside the
// SDK's bare server, and how long lists of many tools take.
func (b *bench) tools(ctx context.Context) (err error) {
	var running []*process
	defer func() {
		for _, p := range running {
			err = errors.Join(err, p.stop())
		}
	}()
	start := func(role, worker string) (*process, error) {
		p, err := startTools(ctx, role, b.dir, worker)
		if err == nil {
			running = append(running, p)
		}
		return p, err
	}
	worker, err := start(toolWorker, "")
	if err != nil {
		return err
	}
	many, err := start(toolMany, "")
	if err != nil {
		return err
	}
	bare, err := start(toolBare, "")
	if err != nil {
		return err
	}
	hop, err := start(toolHop, worker.url)
	if err != nil {
		return err
	}
	s, err := b.filled(ctx, "tools", false, b.few)
	if err != nil {
		return err
	}
	s.workers = []string{worker.url}
	engine, err := s.start(ctx, "engine-tools")
	if err != nil {
		return err
	}
	running = append(running, engine)
	other, err := b.site(ctx, "lists", false, sandboxToken)
	if err != nil {
		return err
	}
	if err := os.Mkdir(other.dir, 0o700); err != nil {
		return err
	}
	other.workers = []string{many.url}
	lists, err := other.start(ctx, "engine-lists")
	if err != nil {
		return err
	}
	running = append(running, lists)

	fmt.Printf("\ntools: %d rounds of %s each\n", b.rounds, b.each)
	direct := func(ctx context.Context, url string, _ int) (*http.Request, error) { return invocation(ctx, url) }
	execute := func(ctx context.Context, url string, n int) (*http.Request, error) {
		return posted(ctx, url+"/v1/tools/execute", fmt.Sprintf(`{"tool_name":"Bench.Greet","user_id":%q,"input":{"name":"Alice"}}`, user(n)))
	}
	api := []*turn{{label: "the worker, called directly", ask: direct, at: worker}, {label: "POST /v1/tools/execute", ask: execute, at: engine}}
	if err := b.takeTurns(ctx, api, 1); err != nil {
		return err
	}
	added := api[1].p50() - api[0].p50()
	fmt.Printf("  one client: %s directly, %s through the engine: %s added at the median (aim: under 1 ms)\n", api[0].p50(), api[1].p50(), added)
	if err := b.takeTurns(ctx, api, b.workers); err != nil {
		return err
	}
	tell(api, b.workers)

	var ids atomic.Int64 // of the requests of a session, each has its own
	mcpCall := func(session http.Header) question {
		return func(ctx context.Context, url string, _ int) (*http.Request, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/mcp", strings.NewReader(fmt.Sprintf(
				`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"Bench_Greet","arguments":{"name":"Alice"}}}`, ids.Add(1)+10)))
			if err == nil {
				req.Header = session.Clone()
			}
			return req, err
		}
	}
	var gateway []*turn
	for _, c := range []struct {
		label string
		at    *process
		head  http.Header
	}{
		{"the SDK's server, whose tool asks the worker", hop, http.Header{}},
		{"the SDK's server, whose tool answers by itself", bare, http.Header{}},
		{"the gateway", engine, http.Header{"Authorization": {"Bearer " + benchKey}, "Arcade-User-Id": {string(user(0))}}},
	} {
		session, err := mcpSession(ctx, c.at.url+"/mcp", c.head)
		if err != nil {
			return fmt.Errorf("%s: %w", c.label, err)
		}
		gateway = append(gateway, &turn{label: c.label, ask: mcpCall(session), at: c.at})
	}
	if err := b.takeTurns(ctx, gateway, b.workers); err != nil {
		return err
	}
	tell(gateway, b.workers)
	fmt.Printf("  (aim: at least half of the SDK's server)\n")

	page := func(ctx context.Context, url string, n int) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/tools?limit=100&offset=%d", url, n%50*100), nil)
		if err == nil {
			req.Header.Set("Authorization", benchKey)
		}
		return req, err
	}
	session, err := mcpSession(ctx, lists.url+"/mcp", http.Header{"Authorization": {"Bearer " + benchKey}, "Arcade-User-Id": {"alice"}})
	if err != nil {
		return err
	}
	mcpPage := func(ctx context.Context, url string, _ int) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/mcp", strings.NewReader(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, ids.Add(1)+10)))
		if err == nil {
			req.Header = session.Clone()
		}
		return req, err
	}
	long := []*turn{{label: "a page of 100", ask: page, at: lists}, {label: "an MCP page of 500", ask: mcpPage, at: lists}}
	if err := b.takeTurns(ctx, long, 1); err != nil {
		return err
	}
	fmt.Printf("  of %d tools, one client: a page of 100 by the API %s, a page of 500 by MCP %s (aim: the list under 20 ms)\n", manyTools, long[0].p50(), long[1].p50())
	return nil
}

// turn is one of those that take turns, each with a question of its own.
type turn struct {
	label   string
	ask     question
	at      *process
	figures []figures
}

func (t *turn) p50() time.Duration {
	return middle(t.figures, func(f figures) time.Duration { return f.p50 }).Round(10 * time.Microsecond)
}

// takeTurns measures anew, with so many clients.
func (b *bench) takeTurns(ctx context.Context, turns []*turn, clients int) error {
	for _, t := range turns {
		t.figures = nil
	}
	for round := -1; round < b.rounds; round++ { // the first one warms up
		for _, t := range turns {
			f, err := burst(ctx, t.ask, []*process{t.at}, b.few, clients, b.each)
			if err != nil {
				return fmt.Errorf("%s: %w", t.label, err)
			}
			if round >= 0 {
				t.figures = append(t.figures, f)
			}
		}
	}
	return nil
}

// tell prints them, each by the first one.
func tell(turns []*turn, clients int) {
	rate := func(f figures) float64 { return f.perSecond }
	fmt.Printf("  %-48s  requests/s       p50   / the first   (%d clients)\n", "", clients)
	for _, t := range turns {
		fmt.Printf("  %-48s  %10.0f  %8s  %12.2f\n", t.label, middle(t.figures, rate), t.p50(), ratio(t.figures, turns[0].figures, rate))
	}
}

func posted(ctx context.Context, url, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", benchKey)
	}
	return req, err
}
