// Package yamlpos reads YAML for people who made a mistake in it.
//
// It owns what every reader of a file of ours needs beside the meaning of its keys: the parsed document
// with a position for each node, the bounds on what a short text may stand for, problems that name file,
// line and column, the excerpt with a caret below them, and the "did you mean". Which keys there are,
// which values they take and what may be shown of them is left to the readers: internal/config for
// engine.yaml, internal/policy for policy.yaml.
package yamlpos
