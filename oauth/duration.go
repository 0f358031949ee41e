package oauth

import "time"

// Duration is a time.Duration written as "90s", "10m", "2160h" in YAML and JSON.
type Duration time.Duration

// D gives the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

// MarshalText writes it as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what [time.ParseDuration] reads; it refuses negative durations.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil || v < 0 {
		return &durationError{string(text)}
	}
	*d = Duration(v)
	return nil
}

type durationError struct{ text string }

func (e *durationError) Error() string {
	return `"` + e.text + `" is not a duration: write a number with a unit, like 90s, 10m or 720h`
}
