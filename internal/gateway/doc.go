// Package gateway is the MCP door: it offers all tools of all workers to any MCP client.
//
// It owns the protocol (the official SDK's streamable HTTP), who is signed in at it (an API key with the name of a user,
// or a token of the engine's own authorization server), and how a missing authorization looks to a client: as a link to open,
// after which the call goes on. Which tools there are, and how one is called, is the matter of internal/workers; what
// a person may do, and what a tool is lent, the root package's.
package gateway
