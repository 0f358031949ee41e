// Package policy says which run may do what with which connection.
//
// It owns policy.yaml: its keys, the messages about what is wrong in it, its JSON Schema, what its rules
// mean for a request, and the rates. A [Policy] decides and changes nothing: [Policy.Decide] takes what a
// proxy knows of a request and answers allow, ask, refuse or tunnel, with the rule and a sentence for
// people and agents. A [Limiter] counts requests, and a [Source] reads the file again when it has changed.
//
// Which connection serves a host is known to the proxy, who asks a person is known to its owner, and
// nothing here sends, reads or answers a request. There are no goroutines. What a rule says of paths is
// judged on the path as the upstream will read it; a path that can be read in more than one way meets no
// rule of that kind but is refused.
package policy
