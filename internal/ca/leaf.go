package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"time"
)

const (
	leafLife = 24 * time.Hour
	// leafRest is what a certificate has to have left when it is handed out: a connection may last.
	leafRest = time.Hour
	// maxLeaves bounds the memory that somebody takes who asks for ever new hosts below one suffix.
	maxLeaves = 1024
	// maxCommonName is X.520's ub-common-name.
	maxCommonName = 64
)

type leaf struct {
	certificate *tls.Certificate
	until       time.Time
}

// Leaf gives a certificate for a host, which is a name in lower case or an IP address without brackets. It
// is valid for 24 hours, and made anew when less than one is left.
func (a *Authority) Leaf(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.now()
	if l, ok := a.leaves[host]; ok && at.Before(l.until) {
		return l.certificate, nil
	}
	certificate, err := a.sign(host, at)
	if err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		for old := range a.leaves { // any will do: it is made again when it is needed
			delete(a.leaves, old)
			break
		}
	}
	a.leaves[host] = leaf{certificate: certificate, until: certificate.Leaf.NotAfter.Add(-leafRest)}
	return certificate, nil
}

func (a *Authority) sign(host string, at time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", host, err)
	}
	template := &x509.Certificate{
		SerialNumber: serialNumber(),
		Subject:      pkix.Name{Organization: []string{"Keybearer"}},
		NotBefore:    at.Add(-backdate),
		NotAfter:     at.Add(leafLife),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		// Python 3.13 refuses a certificate that does not say that it is no authority's.
		BasicConstraintsValid: true,
	}
	if len(host) <= maxCommonName {
		template.Subject.CommonName = host
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
	} else {
		template.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.parsed, key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("making a certificate for %s: %w", host, err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate for %s: %w", host, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, nil
}
