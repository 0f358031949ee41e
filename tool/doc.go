// Package tool makes a tool for agents of a typed Go function, with what it needs declared beside it: a user's
// authorization at a provider, secrets, hints. The function finds them in its [Call].
//
// A program of tools is a [Kit], and [Main] serves it: by MCP over standard input and output, by MCP over streamable HTTP, or by
// the worker protocol, with which an engine (Keybearer's, or another that speaks Arcade's protocol) calls it. As a worker a tool
// is handed the user's token by the engine. By MCP it asks for it where [Source] says, usually a running engine; a user who
// has not authorized gets a link to open, and then the call goes on.
//
// What a tool takes and gives is described by JSON Schema, made of the Go types by the library of the MCP SDK.
package tool
