package oauth

import (
	"slices"
)

// Unknown lists the scopes that the provider is known not to have. Where the rules do not say which ones
// there are, it is empty.
func (s ScopeRules) Unknown(asked []string) []string {
	known := s.Vocabulary()
	if len(known) == 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(asked), func(scope string) bool { return slices.Contains(known, scope) })
}

// Vocabulary lists the scopes that there are, or is empty where the rules do not say.
func (s ScopeRules) Vocabulary() []string { return slices.Concat(s.Levels, s.Known) }

// implied adds the levels below the highest one of a list: who was granted WRITE may READ.
func (s ScopeRules) implied(granted []string) []string {
	return unique(slices.Concat(granted, s.Levels[:s.height(granted)]))
}

// topmost leaves only the highest level of a list beside what is no level: one is enough to ask for.
func (s ScopeRules) topmost(asked []string) []string {
	height := s.height(asked)
	return slices.DeleteFunc(slices.Clone(asked), func(scope string) bool {
		i := slices.Index(s.Levels, scope)
		return i >= 0 && i != height-1
	})
}

// height is how many levels the highest one of a list stands for.
func (s ScopeRules) height(scopes []string) int {
	height := 0
	for i, level := range s.Levels {
		if slices.Contains(scopes, level) {
			height = i + 1
		}
	}
	return height
}
