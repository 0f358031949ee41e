// Package config reads engine.yaml.
//
// It owns the file's discovery, the environment file beside it, the ${env:NAME} and ${file:PATH}
// expansions, the older spellings that published configurations use, the checks, the JSON Schema for
// editors, and above all the messages: every problem of a file is found in one reading and names
// file, line, column, key, what was found and what is allowed. What came from an expansion and what
// sits under a secret key is never repeated in a message or in a source excerpt.
//
// The struct tags of [Config] and of [oauth.Definition] are the one source of keys, defaults, bounds
// and allowed values: the loader obeys them and the schema is generated from them.
//
// What the settings mean is left to those who use them: package oauth checks a provider's
// definition, the engine opens the storage and starts the listeners. Nothing here writes a file.
package config
