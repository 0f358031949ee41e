//go:build unix

package atlassiantest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/keybearer/keybearer/providertest/atlassiantest"
)

// BenchmarkSandbox measures how many requests a second the sandbox answers over
// loopback HTTP, with the client that asks on the same processors. It is to
// answer 5,000, so that it never is the bottleneck of a test.
func BenchmarkSandbox(b *testing.B) {
	b.Run("call", func(b *testing.B) {
		c := signedIn(b)
		measured(b, func(pb *testing.PB) {
			for pb.Next() {
				req, err := http.NewRequest(http.MethodGet, c.url+"/ex/jira/"+teahouse+"/rest/api/3/myself", nil)
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+c.access)
				c.do(b, req)
			}
		})
	})
	b.Run("refresh", func(b *testing.B) {
		c := signedIn(b)
		measured(b, func(pb *testing.PB) {
			// Within the leeway each client has a branch of the family to itself.
			token := c.refresh
			for pb.Next() {
				body := c.post(b, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
				_, rest, _ := strings.Cut(body, `"refresh_token":"`)
				token, _, _ = strings.Cut(rest, `"`)
			}
		})
	})
}

// measured reports what was answered in a second, and what it cost in processor
// time, which other work on the machine does not change much.
func measured(b *testing.B, ask func(*testing.PB)) {
	b.SetParallelism(8)
	before := processorTime(b)
	b.ResetTimer()
	b.RunParallel(ask)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
	b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// processorTime is what this process has used, the client's share included.
func processorTime(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// signedIn starts a sandbox where alice has consented.
func signedIn(b *testing.B) *asking {
	b.Helper()
	server := atlassiantest.New(atlassiantest.Config{})
	listening := httptest.NewServer(server)
	b.Cleanup(listening.Close)
	server.Approve("alice")
	app := server.Apps()[0]
	c := &asking{url: listening.URL, app: app, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	b.Cleanup(c.http.CloseIdleConnections)
	ask := url.Values{
		"audience": {"api.atlassian.com"}, "client_id": {app.ID}, "scope": {"read:jira-user offline_access"}, "redirect_uri": {app.Callbacks[0]},
		"response_type": {"code"}, "prompt": {"consent"}, "state": {"the-state"},
	}
	res, err := c.http.Transport.RoundTrip(httptest.NewRequest(http.MethodGet, c.url+"/authorize?"+ask.Encode(), nil))
	if err != nil {
		b.Fatal(err)
	}
	_ = res.Body.Close()
	back, err := res.Location()
	if err != nil {
		b.Fatal(err)
	}
	body := c.post(b, url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {app.Callbacks[0]}})
	member := func(name string) string {
		_, rest, _ := strings.Cut(body, `"`+name+`":"`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	c.access, c.refresh = member("access_token"), member("refresh_token")
	return c
}

// asking is a client that does nothing but ask.
type asking struct {
	url, access, refresh string
	app                  atlassiantest.App
	http                 *http.Client
}

func (c *asking) post(b *testing.B, form url.Values) string {
	form.Set("client_id", c.app.ID)
	form.Set("client_secret", c.app.Secret)
	req, err := http.NewRequest(http.MethodPost, c.url+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		b.Error(err)
		return ""
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return c.do(b, req)
}

func (c *asking) do(b *testing.B, req *http.Request) string {
	res, err := c.http.Do(req)
	if err != nil {
		b.Error(err)
		return ""
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Errorf("got %d %s (%v)", res.StatusCode, body, err)
	}
	return string(body)
}
