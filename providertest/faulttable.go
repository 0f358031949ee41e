package providertest

import (
	"bytes"
	"net/http"
)

// FaultKinds is the table of faults: what the servers of this module can be
// told to do wrong, and why a client should be tried with it. The manual,
// docs/sandbox.md, lists the same.
func FaultKinds() []FaultKind {
	answering := []Endpoint{Token, Device, Userinfo, Introspect, Revoke, Discovery, Sites, API}
	anywhere := append([]Endpoint{Authorize, Consent}, answering...)
	token, callback := []Endpoint{Token}, []Endpoint{Callback}
	profile, device := []Endpoint{Userinfo}, []Endpoint{Device}

	return []FaultKind{
		// Anything on the way may answer in the server's place.
		{
			Name: "html", Endpoints: anywhere, Reason: "A portal or a login wall answers 200 with a web page in the server's place.",
			before: page(http.StatusOK),
		},
		{
			Name: "html_error", Endpoints: anywhere, Reason: "A gateway in front of the server answers 502 with a web page.",
			before: page(http.StatusBadGateway),
		},
		{
			Name: "server_error", Endpoints: anywhere, Reason: "The server answers 500 and has done nothing; the grant is alive.",
			before: refuse(http.StatusInternalServerError, "server_error", "Something went wrong."),
		},
		{
			Name: "unavailable", Endpoints: anywhere, Reason: "The server answers 503 and says in Retry-After how many seconds to wait.", Value: "seconds, 7",
			before: later(http.StatusServiceUnavailable, "temporarily_unavailable"),
		},
		{
			Name: "unavailable_until", Endpoints: anywhere, Reason: "The server answers 503 with a date in Retry-After, the header's other form (RFC 9110 section 10.2.3).", Value: "an HTTP date",
			before: until,
		},
		{
			Name: "too_many", Endpoints: anywhere, Reason: "The server limits the rate: 429 with Retry-After in seconds.", Value: "seconds, 7",
			before: later(http.StatusTooManyRequests, "rate_limited"),
		},
		{
			Name: "too_many_silent", Endpoints: anywhere, Reason: "The server limits the rate but does not say for how long: 429 without Retry-After.",
			before: refuse(http.StatusTooManyRequests, "rate_limited", "Too many requests."),
		},
		{
			Name: "redirect_302", Endpoints: answering, Reason: "The endpoint redirects to another host by 302; a client that follows hands its token or secret to a stranger.", Value: "URL, https://elsewhere.invalid/",
			before: redirect(http.StatusFound),
		},
		{
			Name: "redirect_307", Endpoints: answering, Reason: "The endpoint redirects by 307, which asks the client to send its secrets again in the same POST.", Value: "URL, https://elsewhere.invalid/",
			before: redirect(http.StatusTemporaryRedirect),
		},

		// The connection.
		{
			Name: "closed", Endpoints: anywhere, Reason: "The connection closes before an answer and the server has done nothing.",
			before: func(*Call, string) *Answer { return &Answer{drop: true} },
		},
		{
			Name: "lost", Endpoints: anywhere, Reason: "The server does its work, rotates the refresh token even, and then the answer is lost on the way.",
			after: func(*Call, *Answer, string) *Answer { return &Answer{drop: true} },
		},
		{
			Name: "hold", Endpoints: anywhere, Reason: "The request hangs before the server has done anything, until it is released or the client gives up (dex was seen to).",
			hold: holdBefore,
		},
		{
			Name: "hold_answer", Endpoints: anywhere, Reason: "The server does its work and then keeps the answer back until it is released or the client gives up.",
			hold: holdAfter,
		},
		{
			Name: "cut_off", Endpoints: answering, Reason: "The connection breaks in the middle of the body, short of its Content-Length.",
			after: cutOff,
		},

		// The shape of the body.
		{
			Name: "truncated", Endpoints: answering, Reason: "The JSON stops half way although the response is complete as HTTP.",
			after: onSuccess(func(a *Answer) { a.Body = a.Body[:len(a.Body)/2] }),
		},
		{
			Name: "empty", Endpoints: answering, Reason: "The answer is 200 without a body.",
			after: onSuccess(func(a *Answer) { a.Body = nil }),
		},
		{
			Name: "huge", Endpoints: answering, Reason: "The answer is correct JSON with 10 MB of padding; a client without a bound reads it all.",
			after: onSuccess(func(a *Answer) { a.Body = padded(a.Body, 10<<20) }),
		},
		{
			Name: "gzip_bomb", Endpoints: answering, Reason: "The answer is 16 MB of padding compressed to a few kB; the bound has to be on what comes out.",
			after: gzipBomb,
		},
		{
			Name: "deep", Endpoints: answering, Reason: "The answer is JSON nested 200,000 deep, to exhaust a recursive parser.",
			before: raw(deepJSON),
		},
		{
			Name: "json_null", Endpoints: answering, Reason: "The answer is the JSON value null, which decodes without an error into nothing.",
			before: raw(func() string { return "null" }),
		},
		{
			Name: "json_list", Endpoints: answering, Reason: "The answer is a JSON list where an object is expected.",
			after: onSuccess(func(a *Answer) { a.Body = []byte("[" + string(a.Body) + "]") }),
		},
		{
			Name: "text_plain", Endpoints: answering, Reason: "The JSON is served as text/plain, as WeChat does.",
			after: onSuccess(func(a *Answer) { a.Header.Set("Content-Type", "text/plain; charset=utf-8") }),
		},
		{
			Name: "no_content_type", Endpoints: answering, Reason: "The answer has no Content-Type at all.",
			after: onSuccess(func(a *Answer) { a.Header["Content-Type"] = nil }),
		},
		{
			Name: "byte_order_mark", Endpoints: answering, Reason: "The JSON starts with a UTF-8 byte order mark, which RFC 8259 section 8.1 lets a reader ignore.",
			after: onSuccess(func(a *Answer) { a.Body = append([]byte("\xef\xbb\xbf"), a.Body...) }),
		},
		{
			Name: "invalid_utf8", Endpoints: answering, Reason: "The JSON carries a member that is not UTF-8.",
			after: onSuccess(func(a *Answer) { a.Body = withMember(a.Body, "note", "\"caf\xe9\"") }),
		},
		{
			Name: "created", Endpoints: token, Reason: "Success is 201 instead of 200, as Sentry's integrations answer.",
			after: onSuccess(func(a *Answer) { a.Status = http.StatusCreated }),
		},
		{
			Name: "nested", Endpoints: token, Reason: "The token is under data, as with TikTok and Lark.",
			after: onSuccess(func(a *Answer) { a.Body = []byte(`{"data":` + string(a.Body) + `}`) }),
		},
		{
			Name: "nested_list", Endpoints: token, Reason: "The token is in a list under data, as Instagram sometimes answers.",
			after: onSuccess(func(a *Answer) { a.Body = []byte(`{"data":[` + string(a.Body) + `]}`) }),
		},
		{
			Name: "form_encoded", Endpoints: token, Reason: "The answer is form-encoded, as GitHub's is unless JSON is asked for.",
			after: onSuccess(formEncoded("application/x-www-form-urlencoded")),
		},
		{
			Name: "form_as_html", Endpoints: token, Reason: "The answer is form-encoded but labelled text/html, PHP's default.",
			after: onSuccess(formEncoded("text/html; charset=utf-8")),
		},
		{
			Name: "duplicate_member", Endpoints: token, Reason: "The member access_token stands twice with different values; parsers disagree which counts.",
			after: onSuccess(func(a *Answer) { a.Body = withMember(a.Body, "access_token", `"another-token"`) }),
		},

		// The access token.
		{Name: "no_access_token", Endpoints: token, Reason: "The answer is 200 without an access token.", after: member("access_token", absent)},
		{Name: "empty_access_token", Endpoints: token, Reason: "The access token is the empty string.", after: member("access_token", `""`)},
		{Name: "access_token_number", Endpoints: token, Reason: "The access token is a number.", after: member("access_token", `1234567890`)},
		{
			Name: "access_token_newline", Endpoints: token, Reason: "The access token contains a line break, to smuggle a header into API calls.",
			after: member("access_token", `"token\r\nX-Injected: yes"`),
		},

		// The refresh token.
		{Name: "no_refresh_token", Endpoints: token, Reason: "The answer has no refresh token: on refresh the old one goes on (Google, Dropbox), with a rotating server it is lost.", after: member("refresh_token", absent)},
		{Name: "null_refresh_token", Endpoints: token, Reason: "The refresh token is null, which must not overwrite the one in store.", after: member("refresh_token", `null`)},
		{Name: "empty_refresh_token", Endpoints: token, Reason: "The refresh token is the empty string, which must not overwrite the one in store.", after: member("refresh_token", `""`)},

		// Scope.
		{Name: "scope_missing", Endpoints: token, Reason: "The answer has no scope, which means: as requested (RFC 6749 section 5.1; dex).", after: member("scope", absent)},
		{Name: "scope_empty", Endpoints: token, Reason: "The scope is the empty string.", after: member("scope", `""`)},
		{Name: "scope_array", Endpoints: token, Reason: "The scope is a list, as with Twitch and Linear.", after: scopes(scopeList)},
		{Name: "scope_comma", Endpoints: token, Reason: "The granted scopes are separated by commas although they were asked for with spaces (GitHub, LinkedIn).", after: scopes(scopeComma)},
		{Name: "scope_narrower", Endpoints: token, Reason: "One scope less is granted than was asked for.", after: scopes(scopeNarrower)},
		{Name: "scope_wider", Endpoints: token, Reason: "One scope more is granted than was asked for.", after: scopes(scopeWider)},
		{Name: "scopes_key", Endpoints: token, Reason: "The member is named scopes, as with HubSpot and Bitbucket.", after: rename("scope", "scopes")},

		// Expiry.
		{Name: "expires_missing", Endpoints: token, Reason: "There is no expires_in: the token never expires, or nobody says when (Notion, Salesforce).", after: member("expires_in", absent)},
		{Name: "expires_null", Endpoints: token, Reason: "expires_in is null.", after: member("expires_in", `null`)},
		{Name: "expires_string", Endpoints: token, Reason: "expires_in is a number in quotes (PayPal, MYOB, Exact).", after: member("expires_in", `"3600"`)},
		{Name: "expires_float", Endpoints: token, Reason: "expires_in has a fraction.", after: member("expires_in", `3599.5`)},
		{Name: "expires_exponent", Endpoints: token, Reason: "expires_in is written as 3.6e3, which is the same JSON number.", after: member("expires_in", `3.6e3`)},
		{Name: "expires_zero", Endpoints: token, Reason: "expires_in is 0, which means never with Mailchimp and at once elsewhere.", after: member("expires_in", `0`)},
		{Name: "expires_negative", Endpoints: token, Reason: "expires_in is negative: the token is dead on arrival, or the clock is wrong.", after: member("expires_in", `-60`)},
		{Name: "expires_garbage", Endpoints: token, Reason: "expires_in is no number.", after: member("expires_in", `"soon"`)},
		{Name: "expires_overflow", Endpoints: token, Reason: "expires_in does not fit into 64 bits, nor its sum with the present.", after: member("expires_in", `99999999999999999999`)},
		{Name: "expires_far", Endpoints: token, Reason: "expires_in fits into 64 bits of seconds but not into a duration of nanoseconds.", after: member("expires_in", `9223372036854775807`)},
		{Name: "expires_milliseconds", Endpoints: token, Reason: "expires_in counts milliseconds (Adobe used to): a token that claims 41 days for its hour.", after: member("expires_in", `3600000`)},
		{
			Name: "expires_in", Endpoints: token, Reason: "expires_in is what the tester says.", Value: "JSON",
			after: func(c *Call, a *Answer, value string) *Answer { return member("expires_in", value)(c, a, value) },
		},

		// Token type.
		{Name: "type_mac", Endpoints: token, Reason: "token_type is MAC: a client that cannot sign must not use the token (RFC 6749 section 7.1).", after: member("token_type", `"MAC"`)},
		{Name: "type_dpop", Endpoints: token, Reason: "token_type is DPoP: not to be used as a bearer token (RFC 9449).", after: member("token_type", `"DPoP"`)},
		{Name: "type_missing", Endpoints: token, Reason: "There is no token_type, as with many vendors although RFC 6749 requires it.", after: member("token_type", absent)},
		{Name: "type_lower", Endpoints: token, Reason: "token_type is bearer in lower case (dex, fosite, Glewlwyd).", after: member("token_type", `"bearer"`)},
		{Name: "type_upper", Endpoints: token, Reason: "token_type is BEARER; its case does not matter (RFC 6749 section 5.1).", after: member("token_type", `"BEARER"`)},

		// Errors of the token endpoint.
		{
			Name: "error_in_200", Endpoints: token, Reason: "The status is 200 and the body an OAuth error, as with GitHub.",
			before: refuse(http.StatusOK, "bad_verification_code", "The code passed is incorrect or expired."),
		},
		{
			Name: "ok_false", Endpoints: token, Reason: "The status is 200 and the body says ok: false, as with Slack.",
			before: raw(func() string { return `{"ok":false,"error":"invalid_refresh_token"}` }),
		},
		{
			Name: "dead_invalid_grant", Endpoints: token, Reason: "The grant is dead as RFC 6749 section 5.2 says it: 400 invalid_grant.",
			before: refuse(http.StatusBadRequest, "invalid_grant", "The grant is expired or revoked."),
		},
		{
			Name: "dead_invalid_request", Endpoints: token, Reason: "The grant is dead in dex's words: 400 invalid_request, claimed by another client.",
			before: refuse(http.StatusBadRequest, "invalid_request", "Refresh token is invalid or has already been claimed by another client."),
		},
		{
			Name: "dead_empty", Endpoints: token, Reason: "The grant is dead and Glewlwyd says so with an empty body: 400.",
			before: func(*Call, string) *Answer { return &Answer{Status: http.StatusBadRequest, Header: http.Header{}} },
		},
		{
			Name: "dead_unauthorized_client", Endpoints: token, Reason: "The grant is dead in the words of Atlassian today: 403 unauthorized_client, refresh_token is invalid.",
			before: refuse(http.StatusForbidden, "unauthorized_client", "refresh_token is invalid"),
		},
		{
			Name: "dead_forbidden_grant", Endpoints: token, Reason: "The grant is dead in the words of Atlassian's documents: 403 invalid_grant.",
			before: refuse(http.StatusForbidden, "invalid_grant", "Unknown or invalid refresh token."),
		},
		{
			Name: "invalid_client", Endpoints: token, Reason: "The client's secret is refused: 401 invalid_client; the operator has to act, not the user, and the grant is alive.",
			before: invalidClient,
		},
		{
			Name: "multiple_client_credentials", Endpoints: token, Reason: "The server complains of two client credentials in one request, as Okta does.",
			before: refuse(http.StatusBadRequest, "multiple_client_credentials", "Only one client authentication method may be used."),
		},
		{
			Name: "error_script", Endpoints: token, Reason: "The error description is a script, to get into a log viewer or a page.",
			before: refuse(http.StatusBadRequest, "invalid_request", script),
		},
		{
			Name: "error_echo", Endpoints: token, Reason: "The error description repeats the request with its secrets, so a client that logs it leaks them.",
			before: echo,
		},

		// Device codes (RFC 8628).
		{
			Name: "slow_down", Endpoints: token, Reason: "The server wants to be polled more slowly, though the client kept the interval: 400 slow_down.",
			before: refuse(http.StatusBadRequest, "slow_down", "Polling too quickly."),
		},
		{
			Name: "expired_token", Endpoints: token, Reason: "The device code is over before its time: 400 expired_token.",
			before: refuse(http.StatusBadRequest, "expired_token", "The device code has expired."),
		},
		{
			Name: "device_denied", Endpoints: token, Reason: "The person declined, in the word that Microsoft has for it: 400 authorization_declined.",
			before: refuse(http.StatusBadRequest, "authorization_declined", "The person declined."),
		},
		{
			Name: "verification_url", Endpoints: device, Reason: "The page is under verification_url instead of verification_uri, as with Google.",
			after: onSuccess(func(a *Answer) {
				a.Body = bytes.ReplaceAll(a.Body, []byte("verification_uri"), []byte("verification_url"))
			}),
		},
		{
			Name: "verification_plain", Endpoints: device, Reason: "The page is at plain http on another machine: whoever sits between can show another one.",
			after: member("verification_uri", `"http://device.example.com/"`),
		},
		{
			Name: "verification_script", Endpoints: device, Reason: "The page that the person is to open is a script.",
			after: member("verification_uri", `"javascript:alert(1)"`),
		},
		{
			Name: "user_code_script", Endpoints: device, Reason: "The code that the person is to type moves the cursor of a terminal.",
			after: member("user_code", `"\u001b[2JABCD"`),
		},
		{
			Name: "device_bare", Endpoints: device, Reason: "The answer has neither expires_in, which it must have, nor interval, which it may.",
			after: onSuccess(func(a *Answer) {
				a.Body = edit(a.Body, func(m members) { delete(m, "expires_in"); delete(m, "interval") })
			}),
		},
		{
			Name: "device_forever", Endpoints: device, Reason: "The code lives for years, and may be polled without a pause.",
			after: onSuccess(func(a *Answer) {
				a.Body = edit(a.Body, func(m members) { m.replace("1e9", "expires_in"); m.replace("0", "interval") })
			}),
		},

		// User info.
		{
			Name: "unauthorized", Endpoints: []Endpoint{Userinfo, Sites, API}, Reason: "A fresh access token is refused: 401 invalid_token.",
			before: unauthorized,
		},
		{
			Name: "no_subject", Endpoints: profile, Reason: "The profile lacks the member that names the user (sub, account_id).",
			after: onSuccess(func(a *Answer) {
				a.Body = edit(a.Body, func(m members) { delete(m, "sub"); delete(m, "account_id") })
			}),
		},
		{
			Name: "subject_number", Endpoints: profile, Reason: "The user's id is a number beyond 2^53, which a float cannot hold.",
			after: onSuccess(func(a *Answer) {
				a.Body = edit(a.Body, func(m members) { m.replace(`9007199254740993`, "sub", "account_id") })
			}),
		},

		// Discovery.
		{
			Name: "issuer_wrong", Endpoints: []Endpoint{Discovery}, Reason: "The document names another issuer than the one that was asked (RFC 8414 section 3.3).",
			after: onSuccess(func(a *Answer) {
				a.Body = edit(a.Body, func(m members) { m.replace(`"https://elsewhere.invalid"`, "issuer") })
			}),
		},

		// The way back to the client.
		{Name: "iss_wrong", Endpoints: callback, Reason: "The iss parameter names another server: a mix-up attack (RFC 9207).", Value: "issuer, https://elsewhere.invalid", after: param("iss", "https://elsewhere.invalid")},
		{Name: "iss_missing", Endpoints: callback, Reason: "The iss parameter is missing although the server's metadata promises it.", after: param("iss")},
		{Name: "state_missing", Endpoints: callback, Reason: "The state is missing.", after: param("state")},
		{Name: "state_wrong", Endpoints: callback, Reason: "The state is one that the client never made.", after: param("state", "not-a-state-of-yours")},
		{Name: "state_twice", Endpoints: callback, Reason: "The state stands twice; parsers disagree which counts.", after: twice("state")},
		{Name: "code_missing", Endpoints: callback, Reason: "Neither code nor error comes back.", after: param("code")},
		{Name: "code_wrong", Endpoints: callback, Reason: "The code is one that was never issued, as when an attacker injects one.", after: param("code", "not-a-code-of-mine")},
		{Name: "code_twice", Endpoints: callback, Reason: "The code stands twice.", after: twice("code")},
		{Name: "code_suffix", Endpoints: callback, Reason: "The code ends in #_, as Instagram's does.", after: codeSuffix},
		{Name: "code_huge", Endpoints: callback, Reason: "The code is 16 kB long.", after: codeHuge},
		{Name: "extra_params", Endpoints: callback, Reason: "More parameters come back than the client knows (realmId, accounts-server, scope).", after: extraParams},
		{Name: "form_post", Endpoints: callback, Reason: "The answer comes as a POST form, as Apple's does.", after: asFormPost},
		{Name: "error_denied_script", Endpoints: callback, Reason: "access_denied comes back with a script as its description.", after: comeBack("access_denied", script)},
		{Name: "error_server", Endpoints: callback, Reason: "server_error comes back instead of a code (RFC 6749 section 4.1.2.1).", after: comeBack("server_error", "Something went wrong.")},
		{Name: "error_unknown", Endpoints: callback, Reason: "An error comes back that no standard knows, without a description.", after: comeBack("consent_required_by_admin", "")},
		{Name: "no_return", Endpoints: callback, Reason: "The person is left on a page of the server and nothing comes back, as most failures at Atlassian's authorize page end.", after: noReturn},
	}
}
