// Package gateway is the MCP door: it offers all tools of all workers to any MCP client.
//
// It owns the protocol and who is signed in at it. Which tools there are, and how one is called, is the matter of
// internal/workers; what a person may do, and what a tool is lent, the root package's.
package gateway
