package keybearer

import (
	"container/heap"
	"time"
)

// planKey says whose connections are claimed together.
type planKey struct {
	project  ProjectID
	provider ProviderID
}

// memoryPlan is the connections of one provider that are ever due, the earliest on top, so that a claim
// looks only at what it gives. It is a [heap.Interface] whose elements know where they are.
type memoryPlan []*plannedConnection

type plannedConnection struct {
	due time.Time
	id  ConnectionID
	at  int // index in the plan
}

func (p memoryPlan) Len() int           { return len(p) }
func (p memoryPlan) Less(i, j int) bool { return p[i].due.Before(p[j].due) }

func (p memoryPlan) Swap(i, j int) {
	p[i], p[j] = p[j], p[i]
	p[i].at, p[j].at = i, j
}

// Push implements [heap.Interface].
func (p *memoryPlan) Push(x any) {
	one := x.(*plannedConnection)
	one.at = len(*p)
	*p = append(*p, one)
}

// Pop implements [heap.Interface].
func (p *memoryPlan) Pop() any {
	last := (*p)[len(*p)-1]
	(*p)[len(*p)-1] = nil
	*p = (*p)[:len(*p)-1]
	return last
}

// plan notes when a connection is due; zero for never, as for one that is deleted.
func (m *Memory) plan(c Connection, due time.Time) {
	key, of := connectionKey{c.Project, c.ID}, planKey{c.Project, c.Provider}
	plan := m.plans[of]
	if plan == nil {
		plan = new(memoryPlan)
		m.plans[of] = plan
	}
	one, ok := m.planned[key]
	switch {
	case ok && due.IsZero():
		heap.Remove(plan, one.at)
		delete(m.planned, key)
	case ok:
		one.due = due
		heap.Fix(plan, one.at)
	case !due.IsZero():
		one = &plannedConnection{due: due, id: c.ID}
		heap.Push(plan, one)
		m.planned[key] = one
	}
	if plan.Len() == 0 {
		delete(m.plans, of)
	}
}
