package api_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keybearer/keybearer/api"
)

func TestExpressionsAreAStringOrAList(t *testing.T) {
	for text, want := range map[string]api.Expressions{
		`"$.token"`:      {"$.token"},
		`["$.a","$.b"]`:  {"$.a", "$.b"},
		`[]`:             {},
		`"join('$','')"`: {"join('$','')"},
	} {
		var got api.Expressions
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
		if back, err := json.Marshal(got); err != nil || string(back) != text {
			t.Errorf("%s came back as %s, error %v", text, back, err)
		}
	}
	for _, text := range []string{`7`, `{}`, `["a",1]`, `true`} {
		var got api.Expressions
		if json.Unmarshal([]byte(text), &got) == nil {
			t.Errorf("%s was read as %v, want an error", text, got)
		}
	}
}

func TestPagesAreNeverNull(t *testing.T) {
	for name, page := range map[string]any{"page": api.NewPage[int](nil, 25, 50, 7), "whole": api.WholePage[int](nil)} {
		text, err := json.Marshal(page)
		if err != nil {
			t.Fatal(err)
		}
		var got struct{ Items []int }
		if err := json.Unmarshal(text, &got); err != nil || got.Items == nil {
			t.Errorf("%s: got %s, want items that are an empty list", name, text)
		}
	}
	if got, want := api.NewPage([]int{1, 2}, 25, 50, 52), (api.Page[int]{Items: []int{1, 2}, Limit: 25, Offset: 50, PageCount: 2, TotalCount: 52}); !cmp.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestEmptyFieldsAreLeftOut(t *testing.T) {
	text, err := json.Marshal(api.Authorization{ID: "ac_x", Status: api.Pending, Scopes: []string{}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), `{"id":"ac_x","status":"pending","user_id":"","provider_id":"","scopes":[],"context":{}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
