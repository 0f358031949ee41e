package proxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/keybearer/keybearer"
)

// HeaderError marks an answer that the proxy made itself; its value is the code. It and [HeaderAdvice]
// never come from an upstream: those are taken off.
const HeaderError = "Keybearer-Error"

// HeaderAdvice is on answers of an upstream about which the proxy has something to say.
const HeaderAdvice = "Keybearer-Advice"

// Code says why the proxy did not forward a request. Codes are stable.
type Code string

// The codes.
const (
	CodeProxyAuth       Code = "proxy_authorization_required" // 407: use the proxy URL of the run
	CodeBadRequest      Code = "bad_request"                  // 400
	CodeHostMismatch    Code = "host_mismatch"                // 421: Host is not the one of the CONNECT
	CodePath            Code = "ambiguous_path"               // 400: dot segments
	CodeTwo             Code = "ambiguous_credentials"        // 400: two placeholders, or a credential header twice
	CodePolicy          Code = "refused_by_policy"            // 403
	CodeNotConfirmed    Code = "not_confirmed"                // 403: ask-first, and nobody said yes
	CodeRate            Code = "rate_limited"                 // 429: of the policy
	CodeElsewhere       Code = "placeholder_elsewhere"        // 403: a placeholder on its way to a host that is not its own
	CodePlainHTTP       Code = "plain_http"                   // 403: a credential never goes out without TLS
	CodePlaceholderPath Code = "placeholder_in_path"          // 400
	CodeChoose          Code = "several_connections"          // 403: use the placeholder of one
	CodeNoConnection    Code = "no_connection"                // 403: there is none any more
	CodeReauthorize     Code = "reauthorize"                  // 403: log in again
	CodeNotAllowed      Code = "permission_denied"            // 403: by the engine
	CodeTokenAway       Code = "token_unavailable"            // 502: the provider or the engine is away
	CodeNoAPI           Code = "no_api_address"               // 403: an address of a site that is not its API's
	CodeAddress         Code = "address_refused"              // 403: loopback, private, link-local, metadata
	CodeUpstream        Code = "upstream_unreachable"         // 502
	CodeUpstreamTLS     Code = "upstream_tls"                 // 502: its certificate is not valid
	CodeUpstreamProxy   Code = "upstream_proxy"               // 502: the proxy before us refused
	CodeTimeout         Code = "upstream_timeout"             // 504
	CodeClosing         Code = "closing"                      // 503: the run is over
)

// refusal is an answer that the proxy makes itself.
type refusal struct {
	status int
	code   Code
	kind   keybearer.Kind
	detail string
	action string // what to do, fit to be typed where it is a command
	after  time.Duration
}

func (r *refusal) Error() string { return r.detail }

func refuse(status int, code Code, kind keybearer.Kind, format string, args ...any) *refusal {
	return &refusal{status: status, code: code, kind: kind, detail: fmt.Sprintf(format, args...)}
}

func (r *refusal) do(format string, args ...any) *refusal {
	r.action = fmt.Sprintf(format, args...)
	return r
}

var errTwo = errors.New("two placeholders in one request")

// write answers with it (RFC 9457).
func (r *refusal) write(w http.ResponseWriter) {
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Code   Code   `json:"code"`
		Detail string `json:"detail"`
		Action string `json:"action,omitempty"`
	}{"about:blank", http.StatusText(r.status), r.status, r.code, r.detail, r.action})
	if err != nil { // texts can be written
		body = nil
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(body)+1))
	h.Set("Cache-Control", "no-store")
	h.Set(HeaderError, string(r.code))
	if r.status == http.StatusProxyAuthRequired {
		h.Set("Proxy-Authenticate", `Basic realm="keybearer", charset="UTF-8"`)
	}
	if r.after > 0 {
		h.Set("Retry-After", strconv.Itoa(int((r.after+time.Second-1)/time.Second)))
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(append(body, '\n')) // who hung up gets no answer
}
