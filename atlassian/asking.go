package atlassian

import "sync"

// asking lets those who want to know the site at once share one question.
type asking struct {
	mu  sync.Mutex
	now *question
}

type question struct {
	answered chan struct{}
	site     Site
	err      error
	hungUp   bool // whoever asked did not wait for the answer: the next one asks
}

// join gives the question that is under way, or a new one for the caller, who is the first, to answer.
func (a *asking) join() (q *question, first bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.now != nil {
		return a.now, false
	}
	a.now = &question{answered: make(chan struct{})}
	return a.now, true
}

func (a *asking) answer(q *question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.now = nil
	close(q.answered)
}
