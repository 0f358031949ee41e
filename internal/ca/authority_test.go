package ca_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/keybearer/keybearer/internal/ca"
)

func newAuthority(t *testing.T, now func() time.Time) *ca.Authority {
	t.Helper()
	a, err := ca.New(now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAHandshakeIsTrustedByWhoTrustsTheAuthority(t *testing.T) {
	a := newAuthority(t, nil)
	for _, host := range []string{"api.example.com", "127.0.0.1", "::1", "a-name-longer-than-a-common-name-may-be.a-name-longer-than-a-common-name-may-be.example.com"} {
		certificate, err := a.Leaf(host)
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		var server sync.WaitGroup
		server.Go(func() {
			_ = tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*certificate}}).Handshake()
			_ = far.Close()
		})
		if err := tls.Client(near, &tls.Config{RootCAs: a.Pool(), ServerName: host}).Handshake(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
		_ = near.Close()
		server.Wait()
	}
}

func TestALeafIsForItsHostAndAsServerOnly(t *testing.T) {
	a := newAuthority(t, nil)
	certificate, err := a.Leaf("api.example.com")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		opts x509.VerifyOptions
	}{
		{"another host", x509.VerifyOptions{DNSName: "example.com"}},
		{"a host below", x509.VerifyOptions{DNSName: "x.api.example.com"}},
		{"a client", x509.VerifyOptions{KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}},
		{"another authority", x509.VerifyOptions{Roots: newAuthority(t, nil).Pool()}},
		{"a day and an hour later", x509.VerifyOptions{CurrentTime: time.Now().Add(25 * time.Hour)}},
	} {
		if c.opts.Roots == nil {
			c.opts.Roots = a.Pool()
		}
		if _, err := certificate.Leaf.Verify(c.opts); err == nil {
			t.Errorf("it is valid for %s", c.what)
		}
	}
	if certificate.Leaf.IsCA || !certificate.Leaf.BasicConstraintsValid {
		t.Error("a leaf says that it is no authority's")
	}
	if len(certificate.Leaf.AuthorityKeyId) == 0 {
		t.Error("a leaf names its authority's key: strict clients ask for it")
	}
}

func TestLeavesAreKeptUntilTheyAreNearTheirEnd(t *testing.T) {
	at := time.Now()
	a := newAuthority(t, func() time.Time { return at })
	leaf := func() *tls.Certificate {
		c, err := a.Leaf("api.example.com")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := leaf()
	at = at.Add(22 * time.Hour)
	if leaf() != first {
		t.Error("a certificate with two hours left is made anew")
	}
	at = at.Add(90 * time.Minute)
	second := leaf()
	if second == first {
		t.Error("a certificate with half an hour left is handed out")
	}
	if got := second.Leaf.NotAfter.Sub(at); got < 23*time.Hour {
		t.Errorf("the new one lives %s, want a day", got)
	}
}

func TestTheAuthoritySignsNoOtherAuthority(t *testing.T) {
	block, rest := pem.Decode(newAuthority(t, nil).PEM())
	if block == nil || len(rest) > 0 {
		t.Fatal("the PEM is one certificate")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !c.IsCA || !c.MaxPathLenZero || len(c.SubjectKeyId) == 0 || c.KeyUsage&x509.KeyUsageCertSign == 0 {
		t.Errorf("got IsCA %v, MaxPathLenZero %v, key id %x, usage %b", c.IsCA, c.MaxPathLenZero, c.SubjectKeyId, c.KeyUsage)
	}
}

func TestEverNewHostsTakeNoEndOfMemory(t *testing.T) {
	a := newAuthority(t, nil)
	var all sync.WaitGroup
	for w := range 4 {
		all.Go(func() {
			for i := range 400 {
				host := string(rune('a'+w)) + time.Duration(i).String() + ".example.com"
				if c, err := a.Leaf(host); err != nil || c.Leaf.VerifyHostname(host) != nil {
					t.Errorf("%s: %v", host, err)
				}
			}
		})
	}
	all.Wait()
	if got := ca.Kept(a); got > 1024 {
		t.Errorf("%d leaves are kept", got)
	}
}
