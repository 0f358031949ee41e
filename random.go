package keybearer

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"

	"github.com/keybearer/keybearer/secret"
)

// randomID draws an unguessable id: 26 characters of base32, 130 random bits.
func randomID(prefix string) string { return prefix + rand.Text() }

// randomSecret draws a text of 256 random bits that fits into URLs, cookies and headers.
func randomSecret() secret.String {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return secret.New(base64.RawURLEncoding.EncodeToString(b))
}

func hashOf(s secret.String) []byte {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return sum[:]
}

// NewBrowserSecret draws what a browser's cookie holds; see [Broker.Visitor].
func NewBrowserSecret() secret.String { return randomSecret() }
