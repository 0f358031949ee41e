package login

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// pageTime is how long a closing door waits for the browser to fetch the page that it was sent to, and styleTime
	// for that page's style sheet, which it may have already.
	pageTime  = 2 * time.Second
	styleTime = 300 * time.Millisecond
)

// owed is what a browser that has come back from the provider is still to fetch. The login is over as soon as the
// consent is stored, so that without waiting for this the person would often end at a page that does not load.
type owed struct {
	mu     sync.Mutex
	asking int // requests without an answer yet
	wait   time.Duration
	news   chan struct{} // closed when something of it changes
}

// asked notes a request: the login may be over before its answer is out.
func (o *owed) asked() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking++
}

// served notes an answer, and what it leaves to be fetched.
func (o *owed) served(path string, h http.Header) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asking--
	o.leave(path, h)
	if o.news != nil {
		close(o.news)
	}
	o.news = make(chan struct{})
}

func (o *owed) leave(path string, h http.Header) {
	if path == "/favicon.svg" || strings.HasPrefix(path, formPath) {
		return
	}
	switch to := h.Get("Location"); {
	case path == callbackPath && (strings.HasPrefix(to, "/") || strings.HasSuffix(to, backPath)):
		o.wait = pageTime
	case path == backPath && to == successPath:
	case to != "" || strings.HasPrefix(path, "/assets/"):
		o.wait = 0
	case path == callbackPath || path == successPath:
		o.wait = styleTime
	}
}

// settle waits until the browser has fetched it, or is not going to.
func (o *owed) settle(ctx context.Context) {
	for {
		o.mu.Lock()
		if o.news == nil {
			o.news = make(chan struct{})
		}
		wait, news := o.wait, o.news
		if o.asking > 0 {
			wait = pageTime
		}
		o.mu.Unlock()
		if wait == 0 {
			return
		}
		over := time.NewTimer(wait)
		select {
		case <-news:
			over.Stop()
		case <-over.C:
			return
		case <-ctx.Done():
			over.Stop()
			return
		}
	}
}
