package atlassiantest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// Switch is one thing about a server that the real service does differently
// from version to version, from site to site or from day to day, or that
// nobody knows: a name, the values it can have, and why a client should be
// tried with it. It lasts until it is changed; a fault of [providertest.Bench]
// is for single requests. The manual, docs/sandbox.md, lists the same.
type Switch struct {
	Name    string `json:"name"`
	Values  string `json:"values"` // what it can be set to
	Default string `json:"default"`
	Reason  string `json:"reason"` // one sentence, or two
	Value   string `json:"value"`  // at present
}

// knob is a switch and the field of a configuration that it turns.
type knob[C any] struct {
	name, values, reason string
	get                  func(*C) string
	set                  func(*C, string) error
}

// choice is a knob for one of several words.
func choice[C any](name, reason string, field func(*C) *string, values ...string) knob[C] {
	return knob[C]{
		name: name, reason: reason, values: strings.Join(values, ", "),
		get: func(c *C) string { return *field(c) },
		set: func(c *C, value string) error {
			if !slices.Contains(values, value) {
				return fmt.Errorf("it can be %s", strings.Join(values, ", "))
			}
			*field(c) = value
			return nil
		},
	}
}

// onOff is a knob for a field that is true when it is on.
func onOff[C any](name, reason string, field func(*C) *bool) knob[C] {
	return knob[C]{
		name: name, reason: reason, values: "off, on",
		get: func(c *C) string {
			if *field(c) {
				return "on"
			}
			return "off"
		},
		set: func(c *C, value string) error {
			if value != "on" && value != "off" {
				return fmt.Errorf("it can be off, on")
			}
			*field(c) = value == "on"
			return nil
		},
	}
}

// span is a knob for a duration; 0 means none.
func span[C any](name, reason string, field func(*C) *time.Duration) knob[C] {
	return knob[C]{
		name: name, reason: reason, values: "a duration",
		get: func(c *C) string { return short(*field(c)) },
		set: func(c *C, value string) error {
			d, err := time.ParseDuration(value)
			if err != nil || d < 0 {
				return fmt.Errorf("it is a duration such as 90s or 2h")
			}
			*field(c) = d
			return nil
		},
	}
}

// short writes 1h0m0s as 1h.
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// number is a knob for a count; 0 means none.
func number[C any](name, reason string, field func(*C) *int) knob[C] {
	return knob[C]{
		name: name, reason: reason, values: "a number",
		get: func(c *C) string { return strconv.Itoa(*field(c)) },
		set: func(c *C, value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return fmt.Errorf("it is a number, 0 or more")
			}
			*field(c) = n
			return nil
		},
	}
}

// status is a knob for one of several HTTP statuses.
func status[C any](name, reason string, field func(*C) *int, values ...int) knob[C] {
	var words []string
	for _, v := range values {
		words = append(words, strconv.Itoa(v))
	}
	return knob[C]{
		name: name, reason: reason, values: strings.Join(words, ", "),
		get: func(c *C) string { return strconv.Itoa(*field(c)) },
		set: func(c *C, value string) error {
			i := slices.Index(words, value)
			if i < 0 {
				return fmt.Errorf("it can be %s", strings.Join(words, ", "))
			}
			*field(c) = values[i]
			return nil
		},
	}
}

// text is a knob for a free word that valid accepts.
func text[C any](name, values, reason string, field func(*C) *string, valid func(string) error) knob[C] {
	return knob[C]{
		name: name, reason: reason, values: values,
		get: func(c *C) string { return *field(c) },
		set: func(c *C, value string) error {
			if err := valid(value); err != nil {
				return err
			}
			*field(c) = value
			return nil
		},
	}
}

// turn sets the switch of that name. What a failure leaves is what there was.
func turn[C any](knobs []knob[C], c *C, name, value string) error {
	i := slices.IndexFunc(knobs, func(k knob[C]) bool { return k.name == name })
	if i < 0 {
		return fmt.Errorf("there is no switch %q", name)
	}
	if err := knobs[i].set(c, value); err != nil {
		return fmt.Errorf("switch %s cannot be %q: %w", name, value, err)
	}
	return nil
}

// list describes the switches, as they are in now and were in untouched.
func list[C any](knobs []knob[C], now, untouched *C) []Switch {
	var out []Switch
	for _, k := range knobs {
		out = append(out, Switch{Name: k.name, Values: k.values, Default: k.get(untouched), Reason: k.reason, Value: k.get(now)})
	}
	return out
}

// switched is a server whose switches the control API turns.
type switched interface {
	Set(name, value string) error
	Switches() []Switch
}

// controlSwitches adds the switches to a control API.
func controlSwitches(mux *http.ServeMux, s switched) {
	mux.HandleFunc("GET /control/switches", func(w http.ResponseWriter, _ *http.Request) {
		providertest.Reply(w, http.StatusOK, s.Switches())
	})
	mux.HandleFunc("POST /control/switches", providertest.Command(func(in struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	},
	) (any, error) {
		if err := s.Set(in.Name, in.Value); err != nil {
			return nil, err
		}
		return s.Switches(), nil
	}))
	mux.HandleFunc("DELETE /control/switches", providertest.Command(func(struct{}) (any, error) {
		for _, sw := range s.Switches() {
			if err := s.Set(sw.Name, sw.Default); err != nil {
				return nil, err
			}
		}
		return s.Switches(), nil
	}))
}
