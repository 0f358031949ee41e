package atlassiantest

import (
	"cmp"
	"net/http"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// create makes an issue of what a POST sends, by somebody at a time.
func (d *desk) create(c *providertest.Call, api string, rich bool, by map[string]any, at time.Time) *providertest.Answer {
	sent, err := readDraft(c.Request, c.Get("fields"))
	if err != nil {
		return jiraError(http.StatusBadRequest, "The body is not an issue.")
	}
	wrong := sent.check(true, rich)
	if _, found := d.find(sent.Fields.Parent.Key); !found && sent.Fields.Parent.Key != "" {
		wrong["parent"] = "Could not find issue by id or key."
	}
	if len(wrong) > 0 {
		return fieldErrors(wrong)
	}
	made := d.add(sent.project(), sent.Fields.Summary)
	made.Description, _ = sent.text(rich)
	made.Type, made.Parent, made.Reporter, made.Created, made.Updated = sent.kind(), sent.Fields.Parent.Key, by, at, at
	made.Priority = cmp.Or(sent.Fields.Priority.Name, made.Priority)
	if sent.Fields.Labels != nil {
		made.Labels = sent.Fields.Labels
	}
	return providertest.JSON(http.StatusCreated, map[string]string{"id": made.ID, "key": made.Key, "self": api + "/issue/" + made.ID})
}

// change takes the new summary and description of a PUT.
func (d *desk) change(c *providertest.Call, rich bool) *providertest.Answer {
	i, ok := d.find(c.Request.PathValue("key"))
	if !ok {
		return jiraError(http.StatusNotFound, "Issue Does Not Exist")
	}
	sent, err := readDraft(c.Request, "")
	if err != nil {
		return jiraError(http.StatusBadRequest, "The body is not a change of an issue.")
	}
	if wrong := sent.check(false, rich); len(wrong) > 0 {
		return fieldErrors(wrong)
	}
	if sent.Fields.Summary != "" {
		i.Summary = sent.Fields.Summary
	}
	if sent.Fields.Description != nil {
		i.Description, _ = sent.text(rich)
	}
	return noContent()
}

// fieldErrors answers Jira's complaints about fields.
func fieldErrors(wrong map[string]string) *providertest.Answer {
	return providertest.JSON(http.StatusBadRequest, map[string]any{"errorMessages": []string{}, "errors": wrong})
}

func fieldError(field, message string) *providertest.Answer {
	return fieldErrors(map[string]string{field: message})
}
