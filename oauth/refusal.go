package oauth

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// The bounds of what is shown of a provider's words, in bytes.
	maxCode        = 80
	maxDescription = 300
	// maxRetryAfter bounds how long a provider can make us wait.
	maxRetryAfter = time.Hour
)

// refusal reads an answer that is not 2xx.
func (c *Client) refusal(at string, got answer) *Error {
	e := &Error{At: at, Status: got.status, RetryAfter: retryAfter(got.header, c.now()), Uncertain: got.status >= 500}
	if got.status >= 300 && got.status < 400 {
		e.Class = Misconfigured
		e.Description = "a redirect" + redirectTarget(got) + ", which is not followed since the request carries secrets"
		e.Advice = "Check the endpoint at " + got.host + ": it may have moved"
		return e
	}
	if doc, err := decode(got); err == nil {
		if e.Code, e.Description = saidIn(doc, got.hide); e.Code == strconv.Itoa(got.status) { // Atlassian's gateway
			e.Code = ""
		}
	}
	c.Definition.classify(e, len(got.body) == 0 && !got.incomplete)
	return e
}

// redirectTarget names the host only: the rest may repeat the request.
func redirectTarget(got answer) string {
	u, err := url.Parse(got.header.Get("Location"))
	if err != nil || u.Host == "" {
		return ""
	}
	return " to " + got.hide.clean(u.Host, maxCode)
}

// retryAfter reads Retry-After in both forms (RFC 9110 section 10.2.3), at most an hour.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
		wait = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(value); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
