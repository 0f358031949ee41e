package proxy

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/oauth"
)

const (
	alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	lowercase    = "abcdefghijklmnopqrstuvwxyz0123456789"
	hexadecimal  = "0123456789abcdef"

	placeholderPrefix = "kb_"
	placeholderLength = 40
	// tagLength and randomLength are letters: the tag tells an agent's placeholders from all other texts,
	// and what follows tells them from one another. Neither is a secret.
	tagLength    = 8
	randomLength = 8
)

// placeholder stands for the credential of a connection in what an agent sends.
type placeholder struct {
	text string
	ref  keybearer.Ref
}

// newPlaceholder draws one in the shape of the provider's own credentials. A pattern that no alphabet
// meets is not met: few programs look further than prefix and length.
func newPlaceholder(api *oauth.API, tag string) string {
	prefix, length := api.KeyPrefix, api.KeyLength
	if prefix == "" && api.KeyPattern == "" {
		prefix = placeholderPrefix
	}
	if length == 0 {
		length = placeholderLength
	}
	rest := max(length-len(prefix)-len(tag), randomLength)
	pattern, err := regexp.Compile(`^(?:` + api.KeyPattern + `)$`)
	if err == nil && api.KeyPattern != "" {
		for _, alphabet := range []string{alphanumeric, lowercase, hexadecimal} {
			if text := prefix + tag + randomText(alphabet, rest); pattern.MatchString(text) {
				return text
			}
		}
	}
	return prefix + tag + randomText(alphanumeric, rest)
}

// randomText draws letters of an alphabet of at most 64, each as likely as the others.
func randomText(alphabet string, n int) string {
	text := make([]byte, 0, n)
	for b := make([]byte, 1); len(text) < n; {
		_, _ = rand.Read(b) // never fails since Go 1.24
		if i := int(b[0] & 63); i < len(alphabet) {
			text = append(text, alphabet[i])
		}
	}
	return string(text)
}

// in reports which placeholder stands in a text. Two different ones are too many: errTwo.
func (a *agent) in(text string, found *placeholder) error {
	if !strings.Contains(text, a.tag) {
		return nil
	}
	for _, h := range a.placeholders {
		if !strings.Contains(text, h.text) {
			continue
		}
		if found.text != "" && found.text != h.text {
			return errTwo
		}
		*found = h
	}
	return nil
}

// seek finds the placeholder that stands in a request: in a header's value, as it is or within Basic, or
// in the query. Body and path are not where one is replaced, but one in the path is found, too.
func (a *agent) seek(u *url.URL, headers http.Header) (found placeholder, err error) {
	for _, values := range headers {
		for _, value := range values {
			if err := a.in(value, &found); err != nil {
				return found, err
			}
			if user, word, ok := basic(value); ok {
				if err := a.in(user+":"+word, &found); err != nil {
					return found, err
				}
			}
		}
	}
	if err := a.in(u.RawQuery, &found); err != nil {
		return found, err
	}
	return found, a.in(u.Path, &found)
}

// basic takes the credentials of Basic apart (RFC 7617).
func basic(value string) (user, word string, ok bool) {
	const scheme = "basic "
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		return "", "", false
	}
	encoded := strings.TrimRight(strings.TrimSpace(value[len(scheme):]), "=")
	pair, err := base64.RawStdEncoding.DecodeString(encoded)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(pair), ":")
}

func basicValue(user, word string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+word))
}

// replaceIn puts a credential where the placeholder stands in a header's value.
func (h placeholder) replaceIn(value, credential string) string {
	if strings.Contains(value, h.text) {
		return strings.ReplaceAll(value, h.text, credential)
	}
	user, word, ok := basic(value)
	if !ok || !strings.Contains(user+":"+word, h.text) {
		return value
	}
	return basicValue(strings.ReplaceAll(user, h.text, credential), strings.ReplaceAll(word, h.text, credential))
}

// replaceInQuery does so in a query, where a credential is escaped.
func (h placeholder) replaceInQuery(query, credential string) string {
	return strings.ReplaceAll(query, h.text, url.QueryEscape(credential))
}
