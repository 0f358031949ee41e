package providertest

import (
	"net/http"
	"strings"
	"time"
)

// What the table of faults is made of: answers in place of the endpoint.

const (
	absent    = ""
	elsewhere = "https://elsewhere.invalid/"
	script    = `<script>alert("keybearer")</script>`

	retryAfter = 7 * time.Second
)

type (
	before = func(*Call, string) *Answer
	after  = func(*Call, *Answer, string) *Answer
)

func or(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

func page(status int) before {
	return func(*Call, string) *Answer {
		return HTML(status, "<!doctype html><html><head><title>"+http.StatusText(status)+"</title></head><body><h1>Sign in to the network</h1></body></html>")
	}
}

func refuse(status int, code, description string) before {
	return func(c *Call, _ string) *Answer {
		c.Record.Error = code
		return Fail(status, code, description)
	}
}

func later(status int, code string) before {
	return func(c *Call, seconds string) *Answer {
		c.Record.Error = code
		return Fail(status, code, "Try again later.").With("Retry-After", or(seconds, "7"))
	}
}

func until(c *Call, date string) *Answer {
	c.Record.Error = "temporarily_unavailable"
	in := c.Record.Time.UTC().Add(retryAfter).Format(http.TimeFormat)
	return Fail(http.StatusServiceUnavailable, c.Record.Error, "Try again later.").With("Retry-After", or(date, in))
}

func redirect(status int) before {
	return func(_ *Call, to string) *Answer {
		return &Answer{Status: status, Header: http.Header{"Location": {or(to, elsewhere)}}}
	}
}

func raw(body func() string) before {
	return func(*Call, string) *Answer {
		answer := JSON(http.StatusOK, nil)
		answer.Body = []byte(body()) // nothing that encoding/json would write
		return answer
	}
}

func deepJSON() string {
	const depth = 200_000
	return `{"access_token":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
}

func invalidClient(c *Call, _ string) *Answer {
	c.Record.Error = "invalid_client"
	return Fail(http.StatusUnauthorized, "invalid_client", "Client authentication failed.").
		With("WWW-Authenticate", `Basic realm="token"`)
}

func echo(c *Call, _ string) *Answer {
	c.Record.Error = "invalid_request"
	id, secret, _ := c.Request.BasicAuth()
	return Fail(http.StatusBadRequest, "invalid_request", "Cannot understand "+c.Params.Encode()+" "+id+":"+secret)
}

func unauthorized(c *Call, _ string) *Answer {
	c.Record.Error = "invalid_token"
	return Fail(http.StatusUnauthorized, "invalid_token", "The access token is invalid.").
		With("WWW-Authenticate", `Bearer error="invalid_token"`)
}
