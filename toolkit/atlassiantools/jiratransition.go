package atlassiantools

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/api"
	"github.com/keybearer/keybearer/tool"
)

// ListTransitionsInput is what ListTransitions takes.
type ListTransitionsInput struct {
	Issue string `json:"issue" jsonschema:"The key of the issue, for example TEA-1."`
	Site  string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// ListTransitionsOutput are the transitions of an issue.
type ListTransitionsOutput struct {
	Transitions []Transition `json:"transitions"`
}

// Transition is a way from the state that an issue has to another one.
type Transition struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	To   string `json:"to,omitempty" jsonschema:"The state that it leads to."`
}

// maxTransitions bounds what is shown of a workflow.
const maxTransitions = 100

func (j jira) listTransitions(ctx context.Context, c *tool.Call, in ListTransitionsInput) (ListTransitionsOutput, error) {
	path, err := issuePath(in.Issue, "/transitions")
	if err != nil {
		return ListTransitionsOutput{}, err
	}
	d, err := j.desk(ctx, c, in.Site, []string{readJira})
	if err != nil {
		return ListTransitionsOutput{}, err
	}
	all, err := d.transitions(ctx, path)
	return ListTransitionsOutput{Transitions: all}, err
}

func (d *desk) transitions(ctx context.Context, path string) ([]Transition, error) {
	var found struct {
		Transitions []struct {
			ID   string `json:"id"`
			Name string `json:"name"`
			To   named  `json:"to"`
		} `json:"transitions"`
	}
	if err := d.do(ctx, request{method: http.MethodGet, path: path, into: &found}); err != nil {
		return nil, err
	}
	all := []Transition{}
	for _, t := range found.Transitions[:min(len(found.Transitions), maxTransitions)] {
		all = append(all, Transition{ID: line(t.ID), Name: line(t.Name), To: line(t.To.Name)})
	}
	return all, nil
}

// TransitionIssueInput is what TransitionIssue takes.
type TransitionIssueInput struct {
	Issue string `json:"issue" jsonschema:"The key of the issue, for example TEA-1."`
	To    string `json:"to" jsonschema:"The state to move it to, for example Done; or the name or the id of a transition."`
	Site  string `json:"site,omitempty" jsonschema:"The site, by address, name or cloud id. Only needed where the user has several."`
}

// MovedIssue is an issue that was moved.
type MovedIssue struct {
	Issue  string `json:"issue"`
	Status string `json:"status" jsonschema:"The state that it has now."`
	URL    string `json:"url,omitempty"`
}

func (j jira) transitionIssue(ctx context.Context, c *tool.Call, in TransitionIssueInput) (MovedIssue, error) {
	path, err := issuePath(in.Issue, "/transitions")
	if err != nil {
		return MovedIssue{}, err
	}
	d, err := j.desk(ctx, c, in.Site, []string{readJira, writeJira})
	if err != nil {
		return MovedIssue{}, err
	}
	all, err := d.transitions(ctx, path)
	if err != nil {
		return MovedIssue{}, err
	}
	way, err := pick(all, in.To)
	if err != nil {
		return MovedIssue{}, err
	}
	sent := map[string]any{"transition": map[string]string{"id": way.ID}}
	if err := d.do(ctx, request{method: http.MethodPost, path: path, body: sent, change: true}); err != nil {
		return MovedIssue{}, err
	}
	key := strings.ToUpper(strings.TrimSpace(in.Issue))
	return MovedIssue{Issue: key, Status: way.To, URL: d.browse(key)}, nil
}

// pick finds the transition that is meant: by id, by the state that it leads to, or by its name. It never guesses.
func pick(all []Transition, wanted string) (Transition, error) {
	wanted = strings.TrimSpace(wanted)
	for _, named := range []func(Transition) bool{
		func(t Transition) bool { return t.ID == wanted },
		func(t Transition) bool { return strings.EqualFold(t.To, wanted) },
		func(t Transition) bool { return strings.EqualFold(t.Name, wanted) },
	} {
		var found []Transition
		for _, t := range all {
			if named(t) {
				found = append(found, t)
			}
		}
		switch len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return Transition{}, whichWay(fmt.Sprintf("several transitions are meant by %q", line(wanted)), found)
		}
	}
	return Transition{}, whichWay(fmt.Sprintf("the issue cannot go to %q from where it is", line(wanted)), all)
}

func whichWay(what string, ways []Transition) error {
	var shown []string
	for _, t := range ways {
		shown = append(shown, fmt.Sprintf("%s (id %s, to %s)", t.Name, t.ID, t.To))
	}
	offer := "There is no transition at all: the user may not move this issue, or its workflow ends here."
	if len(shown) > 0 {
		offer = "Nothing was done. Call again with one of: " + strings.Join(shown, "; ")
	}
	return &tool.Error{Kind: api.ToolRetry, CanRetry: len(shown) > 0, Message: what + ".", Prompt: offer}
}
