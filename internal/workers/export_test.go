package workers

import "github.com/keybearer/keybearer/api"

// ReadTools and ReadResult are for fuzzing: over HTTP each try would cost a hundred times as much.
func ReadTools(body []byte) ([]*Tool, error) {
	tools, _, err := readTools("worker", body)
	return tools, err
}

// ReadResult reads a worker's answer to a call.
func ReadResult(body []byte) (api.InvocationResult, error) { return readResult("worker", body) }
