package oauth

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

const (
	maxHosts      = 100
	maxKeyPattern = 200
	minKeyLength  = 16
	maxKeyLength  = 512
)

var envName = regexp.MustCompile(`^[A-Z][A-Z0-9_]{1,99}$`)

func (c *checker) api(a API) {
	c.hosts(a.Hosts, "hosts")
	c.hosts(a.Replace, "replace")
	if a.Query != "" && a.Header != "" {
		c.fail("a credential goes into a header or a query parameter, not both: remove one", "api", "query")
	}
	if a.Header != "" && !isToken(a.Header) {
		c.fail("this is no name of a header", "api", "header")
	}
	if a.Scheme != "" && !isToken(a.Scheme) {
		c.fail("a scheme is one word, like Bearer or Token; none is for the credential alone", "api", "scheme")
	}
	for name := range a.Env {
		if !envName.MatchString(name) {
			c.fail("write names of variables in upper case, like GITHUB_TOKEN", "api", "env", name)
		}
	}
	c.apiKey(a)
}

func (c *checker) hosts(hosts []string, key string) {
	if len(hosts) > maxHosts {
		c.fail("allowed: at most "+strconv.Itoa(maxHosts)+" hosts", "api", key)
	}
	for i, h := range hosts {
		if h == serverPlaceholder {
			continue
		}
		if _, err := ParseHost(h); err != nil {
			c.fail(err.Error(), "api", key, strconv.Itoa(i))
		}
	}
}

func (c *checker) apiKey(a API) {
	if a.KeyLength != 0 && (a.KeyLength < max(minKeyLength, len(a.KeyPrefix)+minKeyLength) || a.KeyLength > maxKeyLength) {
		c.fail(fmt.Sprintf("allowed: up to %d, and %d more than key_prefix has", maxKeyLength, minKeyLength), "api", "key_length")
	}
	if strings.ContainsFunc(a.KeyPrefix, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'\:,;`, r) }) || len(a.KeyPrefix) > 40 {
		c.fail("at most 40 characters of those that keys have", "api", "key_prefix")
	}
	if _, err := regexp.Compile(a.KeyPattern); err != nil || len(a.KeyPattern) > maxKeyPattern {
		c.fail("this is no regular expression of at most "+strconv.Itoa(maxKeyPattern)+" characters (github.com/google/re2/wiki/Syntax)", "api", "key_pattern")
	}
	if a.KeysURL != "" {
		c.endpoint(a.KeysURL, "api", "keys_url")
	}
}

// isToken is a token of RFC 9110 section 5.6.2.
func isToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
