package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

func notify(c chan<- os.Signal) { signal.Notify(c, syscall.SIGTERM) }

// figures are what a burst of requests gave.
type figures struct {
	perSecond float64
	p50, p99  time.Duration
	cpu       time.Duration // processor time of the servers for one request
}

// question makes a request for the n-th user.
type question func(ctx context.Context, url string, n int) (*http.Request, error)

func askAuthorize(ctx context.Context, url string, n int) (*http.Request, error) {
	body := fmt.Sprintf(`{"auth_requirement":{"provider_id":"hooli","provider_type":"oauth2","oauth2":{"scopes":["read"]}},"user_id":%q}`, user(n))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/auth/authorize", strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", benchKey)
	}
	return req, err
}

func askStatus(ctx context.Context, url string, n int) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/auth/status?id=ac_conn_%026d", url, n), nil)
	if err == nil {
		req.Header.Set("Authorization", benchKey)
	}
	return req, err
}

// burst asks for a while with several clients at once, each on a connection that it keeps, the first at
// the first server, the second at the next. Users are drawn at random among the first so many.
func burst(ctx context.Context, ask question, servers []*process, users, workers int, each time.Duration) (figures, error) {
	before, err := cpu(servers)
	if err != nil {
		return figures{}, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: workers, MaxConnsPerHost: workers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	times := make([][]time.Duration, workers)
	errs := make([]error, workers)
	started := time.Now()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for time.Since(started) < each && errs[w] == nil {
				began := time.Now()
				errs[w] = once(ctx, client, ask, servers[w%len(servers)].url, rand.IntN(users))
				times[w] = append(times[w], time.Since(began))
			}
		})
	}
	all.Wait()
	took := time.Since(started)
	for _, err := range errs {
		if err != nil {
			return figures{}, err
		}
	}
	after, err := cpu(servers)
	if err != nil {
		return figures{}, err
	}
	latencies := slices.Sorted(slices.Values(slices.Concat(times...)))
	return figures{
		perSecond: float64(len(latencies)) / took.Seconds(),
		p50:       latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
		cpu: (after - before) / time.Duration(len(latencies)),
	}, nil
}

func cpu(servers []*process) (all time.Duration, err error) {
	for _, s := range servers {
		used, err := s.cpu()
		if err != nil {
			return 0, err
		}
		all += used
	}
	return all, nil
}

// rightFor is what an answer has in it that is no failure.
func rightFor(path string) string {
	switch {
	case path == "/v1/tools/execute" || strings.HasPrefix(path, "/worker/"):
		return `"success":true`
	case path == "/v1/tools":
		return fmt.Sprintf(`"total_count":%d`, manyTools)
	}
	return `"status":"completed"`
}

func once(ctx context.Context, client *http.Client, ask question, url string, n int) error {
	req, err := ask(ctx, url, n)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if err != nil {
		return err
	}
	right := strings.Contains(string(body), rightFor(req.URL.Path))
	if req.URL.Path == "/mcp" { // a failure of a tool is an answer, too
		right = strings.Contains(string(body), "Hello, Alice") || strings.Contains(string(body), "inputSchema")
	}
	if res.StatusCode != http.StatusOK || !right {
		return fmt.Errorf("%s answered %s: %.200s", req.URL.Path, res.Status, body)
	}
	return nil
}
