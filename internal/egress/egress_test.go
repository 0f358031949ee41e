package egress_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/internal/egress"
)

// refused reports whether the client refuses to dial the address, by our own words and not by a
// network that happens to be away.
func refused(t *testing.T, c *http.Client, host string) bool {
	t.Helper()
	// A dial that is let through may hang: the check comes first, so a short time is enough for it.
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(req)
	if err == nil {
		_ = res.Body.Close()
		return false
	}
	return strings.Contains(err.Error(), "not a public address") || strings.Contains(err.Error(), "never called") ||
		strings.Contains(err.Error(), "no such host") || strings.Contains(err.Error(), "invalid")
}

func TestProvidersSetOverTheAPIReachPublicAddressesOnly(t *testing.T) {
	c := egress.Public(nil)
	for _, host := range []string{
		"127.0.0.1:1", "[::1]:1", "10.0.0.1:1", "172.16.0.1:1", "192.168.1.1:1", "169.254.169.254:1", "100.64.0.1:1",
		"0.0.0.0:1", "192.0.0.1:1", "198.18.0.1:1", "240.0.0.1:1", "224.0.0.1:1", "[fd00::1]:1", "[fe80::1]:1",
		"[::ffff:127.0.0.1]:1", "[::ffff:169.254.169.254]:1", "[64:ff9b::7f00:1]:1", "[2002:7f00:1::]:1", "[2001::1]:1",
		"localhost:1", "2130706433:1", "0x7f000001:1", "017700000001:1",
	} {
		if !refused(t, c, host) {
			t.Errorf("%s was dialled", host)
		}
	}
}

func TestOperatorsFileReachesPrivateAddressesButNoMetadata(t *testing.T) {
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer here.Close()
	host := strings.TrimPrefix(here.URL, "http://")
	if refused(t, egress.Operator(), host) {
		t.Error("the operator's own loopback server was refused")
	}
	if refused(t, egress.Public([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}), host) {
		t.Error("a network that the operator lists was refused")
	}
	for _, meta := range []string{
		"169.254.169.254:80", "[::ffff:169.254.169.254]:80", "[fd00:ec2::254]:80", "[fe80::1]:80", "100.100.100.200:80", "[64:ff9b::a9fe:a9fe]:80",
		"168.63.129.16:80", "192.0.0.192:80", "[fd20:ce::254]:80",
	} {
		if !refused(t, egress.Operator(), meta) {
			t.Errorf("%s was dialled for the operator", meta)
		}
		if !refused(t, egress.Public([]netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}), meta) {
			t.Errorf("%s was dialled with all networks listed", meta)
		}
	}
}

func TestProxyVariablesAreIgnored(t *testing.T) {
	// The proxy would be asked for a name that does not exist; without it the name is not found.
	proxied := make(chan struct{}, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied <- struct{}{} }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	if transport, ok := egress.Public(nil).Transport.(*http.Transport); !ok || transport.Proxy != nil {
		t.Error("the client asks for a proxy")
	}
	_ = refused(t, egress.Operator(), "nowhere.invalid:80")
	select {
	case <-proxied:
		t.Error("the environment's proxy was used")
	default:
	}
}
