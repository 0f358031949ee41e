package interop_test

import "testing"

// atlassianGuide is what takes a newcomer from nothing to a call.
const atlassianGuide = "../docs/atlassian.md"

func TestNewcomerGetsFromNothingToACallInTheCloud(t *testing.T) {
	t.Parallel()
	w := takeWalk(t, atlassianGuide, "### Jira Cloud with the engine", newPerson(t, "alice"))
	w.printedLast(t, `"accountId"`)
	w.goesOn(t, atlassianGuide, "### Confluence Cloud with the engine")
	w.printedLast(t, `"type":"known"`)
}

func TestNewcomerGetsFromNothingToACallOfDataCenter(t *testing.T) {
	t.Parallel()
	w := takeWalk(t, atlassianGuide, "### Data Center with the engine", newPerson(t, "alice"))
	w.printedLast(t, `"displayName"`)
}
