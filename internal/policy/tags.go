package policy

import (
	"reflect"
	"strconv"
	"strings"
)

// key is one key of a mapping, as the tags of its field describe it.
type key struct {
	name                 string
	index                int
	required             bool
	enum                 []string
	minimum, maximum     int
	minLength, maxLength int
	maxItems             int
}

// maxText bounds a text whose tag does not, in characters.
const maxText = 2000

// keys lists the keys of a struct.
func keys(t reflect.Type) []key {
	var out []key
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		k := key{name: name, index: i, maxLength: maxText}
		for part := range strings.SplitSeq(t.Field(i).Tag.Get("jsonschema"), ",") {
			k.read(part)
		}
		out = append(out, k)
	}
	return out
}

func (k *key) read(part string) {
	option, value, _ := strings.Cut(part, "=")
	number, _ := strconv.Atoi(value)
	switch option {
	case "required":
		k.required = true
	case "enum":
		k.enum = append(k.enum, value)
	case "minimum":
		k.minimum = number
	case "maximum":
		k.maximum = number
	case "minLength":
		k.minLength = number
	case "maxLength":
		k.maxLength = number
	case "maxItems":
		k.maxItems = number
	}
}

func names(of []key) []string {
	out := make([]string, len(of))
	for i, k := range of {
		out[i] = k.name
	}
	return out
}
