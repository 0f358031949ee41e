package providertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// idToken makes an ID token that is signed with the client's secret (HS256,
// OpenID Connect Core section 10.1), so that no key has to be published.
func idToken(issuer string, client Client, code *ledger.Code, now time.Time, lifetime time.Duration) string {
	claims := map[string]any{
		"iss": issuer, "sub": code.User, "aud": client.ID,
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}
	if code.Nonce != "" {
		claims["nonce"] = code.Nonce
	}
	part := func(v any) string {
		body, _ := json.Marshal(v) // maps of text and numbers always can be
		return base64.RawURLEncoding.EncodeToString(body)
	}
	signed := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." + part(claims)
	mac := hmac.New(sha256.New, []byte(client.Secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
