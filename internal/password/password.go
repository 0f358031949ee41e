// Package password hashes the passwords of people who sign in at the engine, with Argon2id
// (RFC 9106) in the PHC text form. It owns nothing else; who may sign in is the root's business.
package password

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"github.com/keybearer/keybearer/secret"
)

// The cost: RFC 9106's second recommended option with less memory, since several may run at once on
// a small machine. About 30 ms and 19 MiB (the OWASP minimum).
const (
	memory  = 19 * 1024 // KiB
	passes  = 2
	threads = 1
	length  = 32
)

const form = "$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s"

// Hash gives the text to store.
func Hash(p secret.String) string {
	salt := make([]byte, 16)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	return encode(salt, argon2.IDKey([]byte(p.Reveal()), salt, passes, memory, threads, length))
}

func encode(salt, key []byte) string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf(form, argon2.Version, memory, passes, threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// Matches reports whether the password is the one that was hashed. Texts that are no hash match nothing.
func Matches(hash string, p secret.String) bool {
	var version, m, t, par int
	rest, ok := strings.CutPrefix(hash, "$argon2id$")
	if !ok {
		return false
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 4 {
		return false
	}
	if _, err := fmt.Sscanf(parts[0], "v=%d", &version); err != nil || version != argon2.Version {
		return false
	}
	if _, err := fmt.Sscanf(parts[1], "m=%d,t=%d,p=%d", &m, &t, &par); err != nil {
		return false
	}
	if m < 8 || m > 1<<20 || t < 1 || t > 16 || par < 1 || par > 16 { // a stored text must not cost more than this
		return false
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[3])
	if err != nil || len(want) == 0 || len(want) > 64 {
		return false
	}
	got := argon2.IDKey([]byte(p.Reveal()), salt, uint32(t), uint32(m), uint8(par), uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1
}
