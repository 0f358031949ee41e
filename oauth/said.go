package oauth

import (
	"slices"
	"strings"
)

// saidIn gives the error code and description of an answer, fit to be shown.
func saidIn(doc any, hide hider) (code, description string) {
	code, description = errorFields(doc)
	if slices.Contains([]string{"0", "ok", "success"}, strings.ToLower(code)) { // WeChat, TikTok
		code = ""
	}
	return hide.clean(code, maxCode), hide.clean(description, maxDescription)
}

// errorFields finds the error code and description in the dialects that are met.
func errorFields(doc any) (code, description string) {
	fields, _ := doc.(map[string]any)
	switch e := fields["error"].(type) {
	case string:
		code = e
	case map[string]any: // {"error":{"code":…,"message":…}}
		code, description = firstText(e, "code", "type", "status"), firstText(e, "message", "description", "msg")
	}
	if code == "" { // WeChat, Lark, Atlassian's gateway
		code = firstText(fields, "errcode", "error_code", "code")
	}
	if description == "" {
		description = firstText(fields, "error_description", "error_message", "message", "errmsg", "msg", "detail")
	}
	return code, description
}

// firstText gives the first of the fields that says something.
func firstText(fields map[string]any, names ...string) string {
	for _, name := range names {
		if t := text(fields[name]); t != "" {
			return t
		}
	}
	return ""
}

// statesError reports whether a 2xx answer calls itself an error, whatever else it holds: a member
// error (GitHub and others), or ok being false (Slack). Codes and messages under other names are found
// in good answers, too.
func statesError(doc any) bool {
	fields, _ := doc.(map[string]any)
	if ok, isFlag := fields["ok"].(bool); isFlag && !ok {
		return true
	}
	code, _ := saidIn(map[string]any{"error": fields["error"]}, hider{})
	return code != ""
}

// errorIn makes the error of a 2xx answer that states one, or that lacks what was asked for.
func (c *Client) errorIn(at string, got answer, doc any) *Error {
	e := &Error{At: at, Status: got.status, RetryAfter: retryAfter(got.header, c.now())}
	e.Code, e.Description = saidIn(doc, got.hide)
	c.Definition.classify(e, false)
	return e
}
