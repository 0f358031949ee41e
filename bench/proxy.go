package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// way is one way to the upstream: direct, or through a proxy.
type way struct {
	label   string
	process *process // nil where there is none
	proxy   *url.URL
	tls     *tls.Config
	figures []figures
}

// proxied measures requests through the proxy, beside the same without one and through the bare one.
func (b *bench) proxied(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "proxied")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	upstream, at, err := startRole(ctx, roleUpstream, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, upstream.stop()) }()
	roots, err := trusted(dir, roleUpstream)
	if err != nil {
		return err
	}
	ways := []*way{{label: "direct", tls: &tls.Config{RootCAs: roots}}}
	for _, role := range []string{roleBare, roleOurs} {
		p, at, err := startRole(ctx, role, dir)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, p.stop()) }()
		via, err := url.Parse("http://" + at)
		if err != nil {
			return err
		}
		pool, err := trusted(dir, role)
		if err != nil {
			return err
		}
		ways = append(ways, &way{label: role, process: p, proxy: via, tls: &tls.Config{RootCAs: pool}})
	}
	ours := ways[len(ways)-1]
	others, err := b.peers(ctx, dir)
	for _, w := range others {
		defer func() { err = errors.Join(err, w.process.end()) }()
	}
	if err != nil {
		return err
	}
	ways = append(ways, others...)
	fmt.Printf("\nrequests with an injected credential: %d rounds of %s each\n", b.rounds, b.each)
	for _, clients := range []int{1, 8, 32} {
		if err := b.compareWays(ctx, fmt.Sprintf("%d clients", clients), ways, "https://"+at+"/", clients, 256); err != nil {
			return err
		}
	}
	if err := b.compareWays(ctx, "answers of 10 MiB, 2 clients", ways, "https://"+at+"/large", 2, largeBody); err != nil {
		return err
	}
	if err := b.firstEvents(ctx, ways, "https://"+at+"/events"); err != nil {
		return err
	}
	return quietTunnels(ours, at)
}

// startRole starts this program again as one of the parts, and waits until it listens.
func startRole(ctx context.Context, role, dir string) (*process, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	return startNamed(ctx, role, dir, exec.CommandContext(ctx, self, "-role", role, "-dir", dir))
}

// startNamed starts a program and waits until the file NAME.at says where it listens.
func startNamed(ctx context.Context, role, dir string, cmd *exec.Cmd) (*process, string, error) {
	log, err := os.Create(filepath.Join(dir, role+".log"))
	if err != nil {
		return nil, "", err
	}
	cmd.Stdout, cmd.Stderr = log, log
	p := &process{name: role, cmd: cmd, log: log}
	if err := cmd.Start(); err != nil {
		return nil, "", errors.Join(err, log.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for {
		if at, err := os.ReadFile(filepath.Join(dir, role+".at")); err == nil && len(at) > 0 {
			return p, string(at), nil
		}
		select {
		case <-ctx.Done():
			said, _ := os.ReadFile(log.Name())
			return nil, "", errors.Join(fmt.Errorf("%s did not start; it said: %s", role, said), p.stop())
		case <-look.C:
		}
	}
}

// compareWays lets the ways take turns: the second is the ceiling that the third is measured by.
func (b *bench) compareWays(ctx context.Context, name string, ways []*way, to string, clients, size int) error {
	for _, w := range ways {
		w.figures = nil
	}
	for round := -1; round < b.rounds; round++ { // the first one warms up
		for _, w := range ways {
			f, err := w.burst(ctx, to, clients, size, b.each)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", name, w.label, err)
			}
			if round >= 0 {
				w.figures = append(w.figures, f)
			}
		}
	}
	rate := func(f figures) float64 { return f.perSecond }
	p99 := func(f figures) time.Duration { return f.p99 }
	used := func(f figures) time.Duration { return f.cpu }
	direct, bare := ways[0].figures, ways[1].figures
	fmt.Printf("\n%-30s  requests/s       p50       p99  processor   / direct   / %s: requests/s   p99  processor\n", name+", medians", roleBare)
	for _, w := range ways {
		fmt.Printf("  %-28s  %10.0f  %8s  %8s  %9s  %9.2f  %24.2f  %4.2f", w.label, middle(w.figures, rate),
			middle(w.figures, func(f figures) time.Duration { return f.p50 }).Round(10*time.Microsecond),
			middle(w.figures, p99).Round(10*time.Microsecond), middle(w.figures, used).Round(time.Microsecond),
			ratio(w.figures, direct, rate), ratio(w.figures, bare, rate), ratio(w.figures, bare, seconds(p99)))
		if w.process == nil {
			fmt.Println()
			continue
		}
		fmt.Printf("  %9.2f\n", ratio(w.figures, bare, seconds(used)))
	}
	return nil
}

func (w *way) transport(clients int) *http.Transport {
	t := &http.Transport{TLSClientConfig: w.tls, MaxIdleConnsPerHost: clients, MaxConnsPerHost: clients, DisableCompression: true}
	if w.proxy != nil {
		t.Proxy = http.ProxyURL(w.proxy)
	}
	return t
}

// burst asks for a while with several clients, each on a connection that it keeps.
func (w *way) burst(ctx context.Context, to string, clients, size int, each time.Duration) (f figures, err error) {
	before, err := w.cpu()
	if err != nil {
		return f, err
	}
	transport := w.transport(clients)
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	times, errs := make([][]time.Duration, clients), make([]error, clients)
	started := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() {
			for time.Since(started) < each && errs[i] == nil {
				began := time.Now()
				errs[i] = w.once(ctx, client, to, size)
				times[i] = append(times[i], time.Since(began))
			}
		})
	}
	all.Wait()
	took := time.Since(started)
	after, err := w.cpu()
	if err = errors.Join(append(errs, err)...); err != nil {
		return f, err
	}
	latencies := slices.Sorted(slices.Values(slices.Concat(times...)))
	return figures{
		perSecond: float64(len(latencies)) / took.Seconds(),
		p50:       latencies[len(latencies)/2], p99: latencies[len(latencies)*99/100],
		cpu: (after - before) / time.Duration(len(latencies)),
	}, nil
}

func (w *way) cpu() (time.Duration, error) {
	if w.process == nil {
		return 0, nil
	}
	return w.process.cpu()
}

// request asks as an agent does: with what it was given in the place of the credential, which only the direct
// way has itself.
func (w *way) request(ctx context.Context, to string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to, nil)
	if err == nil && w.proxy == nil {
		req.Header.Set("Authorization", injected)
	}
	return req, err
}

func (w *way) once(ctx context.Context, client *http.Client, to string, size int) error {
	req, err := w.request(ctx, to)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	n, err := io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && (res.StatusCode != http.StatusOK || n != int64(size)) {
		err = fmt.Errorf("%s and %d bytes, want %d", res.Status, n, size)
	}
	return err
}

// firstEvents measures how long the first event of a stream takes, on a connection that is open.
func (b *bench) firstEvents(ctx context.Context, ways []*way, to string) error {
	took := make([][]time.Duration, len(ways))
	for range 30 * b.rounds {
		for i, w := range ways {
			d, err := w.firstEvent(ctx, to)
			if err != nil {
				return fmt.Errorf("the first event, %s: %w", w.label, err)
			}
			took[i] = append(took[i], d)
		}
	}
	direct := median(took[0])
	fmt.Printf("\nthe first event of a stream, with the handshakes of new connections: direct %s", direct.Round(10*time.Microsecond))
	for i, w := range ways[1:] {
		fmt.Printf(", %s %s later", w.label, (median(took[i+1]) - direct).Round(10*time.Microsecond))
	}
	fmt.Println(" (aim: within 5 ms)")
	return nil
}

func (w *way) firstEvent(ctx context.Context, to string) (time.Duration, error) {
	transport := w.transport(1)
	defer transport.CloseIdleConnections()
	req, err := w.request(ctx, to)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err == nil && line != "data: 1\n" {
		err = fmt.Errorf("got %q", line)
	}
	return time.Since(began), err
}

// quietTunnels opens a thousand tunnels and tells what the proxy's process takes then. The host of the
// tunnel is the proxy itself, which answers nothing: nobody speaks.
func quietTunnels(w *way, _ string) error {
	const tunnels = 1000
	before, err := w.process.resident()
	if err != nil {
		return err
	}
	quiet, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer quiet.Close()
	word, _ := w.proxy.User.Password()
	pair := base64.StdEncoding.EncodeToString([]byte(w.proxy.User.Username() + ":" + word))
	var open []net.Conn
	defer func() {
		for _, c := range open {
			_ = c.Close()
		}
	}()
	for range tunnels {
		c, err := net.Dial("tcp", w.proxy.Host)
		if err != nil {
			return err
		}
		open = append(open, c)
		_, _ = fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\nProxy-Authorization: Basic %s\r\n\r\n", quiet.Addr(), pair)
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.Contains(line, "200") {
			return fmt.Errorf("a tunnel was answered with %q (%w)", line, err)
		}
		far, err := quiet.Accept()
		if err != nil {
			return err
		}
		open = append(open, far)
	}
	after, err := w.process.resident()
	fmt.Printf("resident memory: %.1f MiB after the load, %.1f MiB with %d quiet tunnels more (aim: under 100)\n", before, after, tunnels)
	return err
}
