// Package workers knows the servers that have tools, and calls them.
//
// It owns the list of tools (fetched from each worker, kept for seconds, searched) and the way of one call:
// find the tool, borrow what it needs from the Broker, invoke it at its worker by the worker protocol or by
// MCP, and say in the engine's words how it ended; and the tools that run at a time. Which workers there are, who may use
// what, and what a tool is lent, is the root package's business; how it looks outside is the doors'.
package workers
