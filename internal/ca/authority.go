package ca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"sync"
	"time"
)

const (
	// authorityLife bounds a run: whatever trusts the authority stops to after that.
	authorityLife = 90 * 24 * time.Hour
	// backdate is for clients whose clocks are late.
	backdate = time.Hour
)

// Authority signs certificates. It is safe for concurrent use.
type Authority struct {
	now    func() time.Time
	key    *ecdsa.PrivateKey
	parsed *x509.Certificate
	text   []byte

	mu     sync.Mutex
	leaves map[string]leaf
}

// New makes an authority with a key of its own (P-256), which is valid for 90 days by the clock; nil means
// [time.Now].
func New(now func() time.Time) (*Authority, error) {
	if now == nil {
		now = time.Now
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of the run's authority: %w", err)
	}
	serial, at := serialNumber(), now()
	template := &x509.Certificate{
		SerialNumber: serial,
		// Each run has another name: a trust store that held two of one name could take the wrong key.
		Subject:               pkix.Name{Organization: []string{"Keybearer"}, CommonName: fmt.Sprintf("Keybearer run %x", serial.Bytes()[:4])},
		NotBefore:             at.Add(-backdate),
		NotAfter:              at.Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of the run's authority: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the run's authority: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return &Authority{now: now, key: key, parsed: parsed, text: text, leaves: map[string]leaf{}}, nil
}

// PEM is the authority's certificate, for those who are to trust it.
func (a *Authority) PEM() []byte { return append([]byte(nil), a.text...) }

// Pool holds the authority's certificate and no other.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.parsed)
	return pool
}

// serialNumber draws 127 random bits, of which the first is set: positive, and of one length.
func serialNumber() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails since Go 1.24
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}
