package config

import (
	"encoding"
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// set reads the text into the variable; the answer says what it is not.
func set(v reflect.Value, text string, r rules) string {
	switch into := v.Addr().Interface().(type) {
	case *secret.String:
		*into = secret.New(text)
		return ""
	case *time.Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return "is not a duration; write a number with a unit, like 30s, 10m or 720h"
		}
		*into = d
		return ""
	case *oauth.Duration:
		if into.UnmarshalText([]byte(text)) != nil {
			return "is not a duration; write a number with a unit, like 30s, 10m or 720h"
		}
		return ""
	case *netip.Prefix:
		if into.UnmarshalText([]byte(text)) != nil {
			return "is not a network; write an address and the length of its prefix, like 10.20.0.0/16"
		}
		return ""
	case encoding.TextUnmarshaler:
		if into.UnmarshalText([]byte(text)) != nil {
			return "is not valid"
		}
		return ""
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		on, err := parseBool(text)
		if err != nil {
			return "is not a boolean; allowed: true, false"
		}
		v.SetBool(on)
	default:
		return setInt(v, text, r)
	}
	return ""
}

func setInt(v reflect.Value, text string, r rules) string {
	number, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil && r.bounded:
		return fmt.Sprintf("is not a whole number; allowed: %d to %d", r.minimum, r.maximum)
	case err != nil || v.OverflowInt(number):
		return "is not a whole number"
	case r.bounded && (number < r.minimum || number > r.maximum):
		return fmt.Sprintf("is out of range; allowed: %d to %d", r.minimum, r.maximum)
	}
	v.SetInt(number)
	return ""
}

// parseBool reads what YAML calls a boolean.
func parseBool(text string) (bool, error) {
	switch text {
	case "true", "True", "TRUE":
		return true, nil
	case "false", "False", "FALSE":
		return false, nil
	}
	return false, errors.New("not a boolean")
}

// asBool takes 1 and 0, too, where they come from an environment.
func (x expanded) asBool() expanded {
	if text, ok := map[string]string{"1": "true", "0": "false"}[x.text]; ok && len(x.refs) > 0 {
		x.text = text
	}
	return x
}
