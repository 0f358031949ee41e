package config

import (
	"reflect"
	"strconv"
	"strings"
)

// field is one key of a mapping, as the struct tags describe it.
type field struct {
	name  string
	index []int
	rules rules
}

// rules are what a jsonschema tag says. The tags are also what the JSON Schema is generated from.
type rules struct {
	required             bool
	fallback             string // the default
	enum                 []string
	minimum, maximum     int64
	bounded              bool // minimum and maximum hold
	minLength, maxLength int
	maxItems             int
	pattern              string
}

// maxText bounds a text whose tag does not.
const maxText = 8 << 10

// maxEntries bounds lists and maps whose tag does not.
const maxEntries = 1000

// fields lists the keys of a struct, those of embedded structs included.
func fields(t reflect.Type) []field {
	var out []field
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case options == "inline":
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{f.Index[0]}, inner.index...)
				out = append(out, inner)
			}
		default:
			out = append(out, field{name: name, index: f.Index, rules: readRules(f.Tag.Get("jsonschema"))})
		}
	}
	return out
}

func readRules(tag string) rules {
	r := rules{maxLength: maxText, maxItems: maxEntries}
	for part := range strings.SplitSeq(tag, ",") {
		name, value, _ := strings.Cut(part, "=")
		number, _ := strconv.ParseInt(value, 10, 64)
		switch name {
		case "required":
			r.required = true
		case "default":
			r.fallback = value
		case "enum":
			r.enum = append(r.enum, value)
		case "minimum":
			r.minimum, r.bounded = number, true
		case "maximum":
			r.maximum, r.bounded = number, true
		case "minLength":
			r.minLength = int(number)
		case "maxLength":
			r.maxLength = int(number)
		case "maxItems":
			r.maxItems = int(number)
		case "pattern":
			r.pattern = value
		}
	}
	return r
}

// setDefaults writes the defaults of the tags into a variable and the structs in it.
func setDefaults(v reflect.Value) {
	if v.Kind() != reflect.Struct || single(v) {
		return
	}
	for _, f := range fields(v.Type()) {
		into := v.FieldByIndex(f.index)
		if f.rules.fallback != "" {
			if problem := set(into, f.rules.fallback, f.rules); problem != "" {
				panic("config: default of " + f.name + ": " + problem) // a programmer's mistake, met by every test
			}
			continue
		}
		setDefaults(into)
	}
}
