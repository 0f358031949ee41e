package atlassiantools

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/atlassian"
	"github.com/keybearer/keybearer/tool"
)

const (
	maxErrorBody  = 16 << 10
	maxComplaints = 10
)

// refused makes a tool's error of an answer that is no success; nil for one that is. d is nil where no site is concerned.
func (p product) refused(res *http.Response, d *desk, change bool) error {
	var granted []string
	if d != nil {
		granted = d.site.Scopes
	}
	now := p.config.Now()
	f := atlassian.Explain(res, granted, now)
	if f == nil {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // what cannot be read says nothing
	complaints := complaintsIn(body)
	e := &tool.Error{StatusCode: f.Status, DeveloperMessage: f.Error()}
	say := func(kind, format string, args ...any) { e.Kind, e.Message = kind, fmt.Sprintf(format, args...) }
	switch said := cmp.Or(strings.Join(complaints, "; "), f.Advice); {
	case f.RateLimit.Limited:
		say(api.ToolUpstreamRateLimit, "%s.", f.Advice)
		e.CanRetry, e.RetryAfter = true, max(f.RateLimit.Until.Sub(now), time.Second)
	case f.Class == atlassian.ClassScope && d != nil && !keybearer.Covers(granted, d.scopes):
		return tool.NeedMore(d.scopes...)
	case f.Class == atlassian.ClassScope:
		// The token should do, and a renewed one has the same scopes: no 401, which engines renew a token for.
		e.StatusCode = http.StatusForbidden
		say(api.ToolRequirementsNotMet, "Atlassian says that the authorization lacks a scope: %s.", f.Advice)
	case f.Renew:
		say(api.ToolUpstreamAuth, "Atlassian does not accept the user's authorization any more. If it stays so, the user has to authorize again.")
		e.CanRetry = true // nothing was done
	case f.Class == atlassian.ClassPermission:
		say(api.ToolUpstreamBadRequest, "The user may not do this in %s: %s. Authorizing again does not help; a project or site admin can permit it.", p.name, said)
	case f.Status == http.StatusNotFound:
		say(api.ToolUpstreamNotFound, "%s.", said)
		e.Prompt = "Check the key or id, and the site: what the user may not see is said not to be there, too."
	case f.Status == http.StatusConflict:
		say(api.ToolRetry, "%s.", said)
		e.CanRetry = true
	case f.Class == atlassian.ClassTransient:
		say(api.ToolUpstreamServerError, "%s failed (%d).%s", p.name, f.Status, afterwards(change))
		e.CanRetry = !change
	case f.Status == http.StatusBadRequest || f.Status == http.StatusUnprocessableEntity:
		say(api.ToolUpstreamBadRequest, "%s does not take this: %s", p.name, said)
		if len(complaints) > 0 {
			e.Kind, e.CanRetry = api.ToolUpstreamValidation, true // what is wrong is said, so another try can be right
			e.Prompt = "Nothing was changed. Call again with what this says corrected: " + strings.Join(complaints, "; ")
		}
	default:
		say(api.ToolUpstreamUnmapped, "%s.", f.Advice)
	}
	return e
}

// complaintsIn are the sentences of a product's error: {"errorMessages":[...],"errors":{field: text}} of Jira,
// {"errors":[{"title","detail"}]} of Confluence's version 2, {"message"} of its version 1 and of the gateway.
func complaintsIn(body []byte) []string {
	var all []string
	say := func(text string) {
		if text = line(text); text != "" && len(all) < maxComplaints {
			all = append(all, strings.TrimRight(text, "."))
		}
	}
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return nil
	}
	messages, _ := fields["errorMessages"].([]any)
	for _, m := range messages {
		text, _ := m.(string)
		say(text)
	}
	switch errs := fields["errors"].(type) {
	case map[string]any:
		for _, field := range slices.Sorted(maps.Keys(errs)) {
			if text, ok := errs[field].(string); ok {
				say(field + ": " + text)
			}
		}
	case []any:
		for _, e := range errs {
			one, _ := e.(map[string]any)
			title, _ := one["title"].(string)
			detail, _ := one["detail"].(string)
			say(strings.TrimSpace(title + " " + detail))
		}
	}
	if text, ok := fields["message"].(string); ok && len(all) == 0 {
		say(text)
	}
	return all
}
