package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// peers are the interceptions of others, as far as they are to be had on this machine: the library goproxy, which is
// built here, and mitmproxy, where it is installed. What is not to be had is told and left out.
func (b *bench) peers(ctx context.Context, dir string) ([]*way, error) {
	authority := filepath.Join(dir, "peers.pem")
	roots, err := writeAuthority(authority)
	if err != nil {
		return nil, err
	}
	var ways []*way
	trust := filepath.Join(dir, roleUpstream+".pem")
	library := filepath.Join(dir, "goproxy")
	if said, err := b.buildPeer(ctx, library); err != nil {
		fmt.Printf("the library goproxy is left out, since it cannot be built here: %v: %s\n", err, said)
	} else {
		w, err := startPeer(ctx, "goproxy", dir, roots, library, "-authority", authority, "-trust", trust, "-at", filepath.Join(dir, "goproxy.at"), "-credential", injected)
		if err != nil {
			return ways, err
		}
		ways = append(ways, w)
	}
	mitmdump, err := exec.LookPath("mitmdump")
	if err != nil {
		fmt.Println("mitmproxy is left out, since it is not installed here")
		return ways, nil
	}
	w, err := b.startMitmproxy(ctx, mitmdump, dir, authority, trust, roots)
	if err == nil {
		ways = append(ways, w)
	}
	return ways, err
}

func (b *bench) buildPeer(ctx context.Context, to string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", "-s -w", "-o", to, ".")
	cmd.Dir = filepath.Join("bench", "peers", "goproxy")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	return string(said), err
}

// startMitmproxy runs mitmproxy without its screen, with an add-on of two lines that puts the credential on.
func (b *bench) startMitmproxy(ctx context.Context, mitmdump, dir, authority, trust string, roots *x509.CertPool) (*way, error) {
	conf := filepath.Join(dir, "mitmproxy")
	if err := os.Mkdir(conf, 0o700); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	at := filepath.Join(dir, "mitmproxy.at")
	addon := fmt.Sprintf("import mitmproxy.ctx\ndef request(flow):\n    flow.request.headers[\"Authorization\"] = %q\ndef running():\n    host, port = mitmproxy.ctx.master.addons.get(\"proxyserver\").listen_addrs()[0][:2]\n    open(%q, \"w\").write(f\"{host}:{port}\")\n", injected, at)
	if err := errors.Join(
		os.WriteFile(filepath.Join(conf, "mitmproxy-ca.pem"), text, 0o600),
		os.WriteFile(filepath.Join(conf, "inject.py"), []byte(addon), 0o600),
	); err != nil {
		return nil, err
	}
	return startPeer(ctx, "mitmproxy", dir, roots, mitmdump, "-q", "--listen-host", "127.0.0.1", "--listen-port", "0",
		"--set", "confdir="+conf, "--set", "ssl_verify_upstream_trusted_ca="+trust, "--set", "stream_large_bodies=1m", "-s", filepath.Join(conf, "inject.py"))
}

// startPeer starts a program that writes its address into NAME.at.
func startPeer(ctx context.Context, name, dir string, roots *x509.CertPool, program string, args ...string) (*way, error) {
	p, at, err := startNamed(ctx, name, dir, exec.CommandContext(ctx, program, args...))
	if err != nil {
		return nil, err
	}
	return &way{label: name, process: p, proxy: &url.URL{Scheme: "http", Host: at}, tls: &tls.Config{RootCAs: roots}}, nil
}

// writeAuthority writes a certificate authority with its key, for programs that take one from a file.
func writeAuthority(path string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "an authority for measuring only"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool, os.WriteFile(path, text, 0o600)
}
