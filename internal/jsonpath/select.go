package jsonpath

import (
	"maps"
	"slices"
)

// Select gives the values that the path finds in doc, in document order; the members of an object,
// which have none, are taken in the order of their names, so that the answer is always the same. Doc
// is what encoding/json decodes into an any (map[string]any, []any and leaves of whatever type); it
// is not changed, and the result shares its values. Nothing found, or a bound reached, gives nil.
func (p *Path) Select(doc any) []any {
	nodes := []any{doc}
	run := selection{steps: MaxSteps}
	for _, seg := range p.segments {
		run.found = nil
		for _, node := range nodes {
			if seg.descend {
				run.descend(seg.selectors, node, 0)
			} else {
				run.apply(seg.selectors, node)
			}
		}
		nodes = run.found
		if run.over || len(nodes) == 0 {
			break
		}
	}
	if run.over {
		return nil
	}
	return nodes
}

// A selection is one run over one document. Once it is over a bound it only winds up.
type selection struct {
	found []any
	steps int
	over  bool
}

// charge pays for n steps and reports whether the run may go on.
func (run *selection) charge(n int) bool {
	run.steps -= n
	run.over = run.over || run.steps < 0
	return !run.over
}

func (run *selection) add(node any) {
	if run.over = run.over || len(run.found) >= MaxNodes; !run.over {
		run.found = append(run.found, node)
	}
}

// descend applies the selectors to node and to all below it, each before its children (RFC 9535
// section 2.5.2).
func (run *selection) descend(selectors []selector, node any, depth int) {
	if depth > MaxDepth {
		run.over = true
		return
	}
	run.apply(selectors, node)
	run.children(node, func(child any) { run.descend(selectors, child, depth+1) })
}

func (run *selection) apply(selectors []selector, node any) {
	for _, sel := range selectors {
		if !run.charge(1) {
			return
		}
		switch sel.kind {
		case byWildcard:
			run.children(node, run.add)
		case byName:
			if object, ok := node.(map[string]any); ok {
				if member, ok := object[sel.name]; ok {
					run.add(member)
				}
			}
		case byIndex:
			if array, ok := node.([]any); ok {
				if i := counted(sel.index, int64(len(array))); i >= 0 && i < int64(len(array)) {
					run.add(array[i])
				}
			}
		case bySlice:
			if array, ok := node.([]any); ok {
				run.slice(sel.slice, array)
			}
		}
	}
}

// children calls visit for each child of node until the run is over. All are paid for before the names
// of an object are sorted, which is the larger part of the work.
func (run *selection) children(node any, visit func(any)) {
	switch node := node.(type) {
	case []any:
		for _, child := range node {
			if !run.charge(1) {
				return
			}
			visit(child)
		}
	case map[string]any:
		if !run.charge(len(node)) {
			return
		}
		for _, name := range slices.Sorted(maps.Keys(node)) {
			if run.over {
				return
			}
			visit(node[name])
		}
	}
}

// slice follows RFC 9535 section 2.3.4.2.2. Nothing here can overflow: parts and length stay within
// 2^53, and the loop ends before or right after it leaves the array.
func (run *selection) slice(s slice, array []any) {
	size := int64(len(array))
	step := valueOr(s.step, 1)
	if step > 0 {
		start := clamp(counted(valueOr(s.start, 0), size), 0, size)
		end := clamp(counted(valueOr(s.end, size), size), 0, size)
		for i := start; i < end && run.charge(1); i += step {
			run.add(array[i])
		}
	}
	if step < 0 {
		start := clamp(counted(valueOr(s.start, size-1), size), -1, size-1)
		end := -int64(1)
		if s.end != nil {
			end = clamp(counted(*s.end, size), -1, size-1)
		}
		for i := start; i > end && run.charge(1); i += step {
			run.add(array[i])
		}
	}
}

// counted turns a negative index, which counts from the end, into one from the start.
func counted(i, size int64) int64 {
	if i < 0 {
		return size + i
	}
	return i
}

func clamp(i, low, high int64) int64 { return min(max(i, low), high) }

func valueOr(part *int64, absent int64) int64 {
	if part == nil {
		return absent
	}
	return *part
}
