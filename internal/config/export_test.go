package config

import "reflect"

// The schema's generator and tests read the same tables as the loader.

type Dialect = dialect

func DialectOf(t reflect.Type) Dialect       { return dialectOf(t) }
func (d dialect) Renamed() map[string]string { return d.renamed }
func (d dialect) Nested() map[string]string  { return d.nested }
func (d dialect) Ignored() map[string]string { return d.ignored }
func (d dialect) Lifted() string             { return d.lifted }
