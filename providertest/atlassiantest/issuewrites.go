package atlassiantest

import (
	"net/http"

	"github.com/keybearer/keybearer/providertest"
)

// create makes an issue of what a POST sends.
func (d *desk) create(c *providertest.Call, api string, rich bool) *providertest.Answer {
	sent, err := readDraft(c.Request, c.Get("fields"))
	if err != nil {
		return jiraError(http.StatusBadRequest, "The body is not an issue.")
	}
	if wrong := sent.check(true, rich); len(wrong) > 0 {
		return fieldErrors(wrong)
	}
	made := d.add(sent.project(), sent.Fields.Summary)
	made.Description, _ = sent.text(rich)
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
