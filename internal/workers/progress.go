package workers

import (
	"context"
	"fmt"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// heard passes progress on to the call that it is about.
func (e *mcpEndpoint) heard(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
	if call, ok := e.progress.Load(fmt.Sprint(r.Params.ProgressToken)); ok {
		call.(progressFunc)(r.Params.Progress, r.Params.Total, cleaned(r.Params.Message))
	}
}

// hearer passes progress on until its call has ended, one at a time.
type hearer struct {
	mu sync.Mutex
	to progressFunc
}

func (h *hearer) hear(done, total float64, message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.to != nil {
		h.to(done, total, message)
	}
}

func (h *hearer) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.to = nil
}
