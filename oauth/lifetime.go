package oauth

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// maxLifetime caps what a provider claims: beyond it a number is taken for a mistake of units.
const maxLifetime = 10 * 365 * 24 * time.Hour

var (
	errNoNumber = errors.New("expires_in is not a number")
	errNegative = errors.New("expires_in is negative")
)

// lifetime reads expires_in: a number, a numeric text or a fraction, in seconds. Absent and 0 are
// unknown (0 means "never" at Mailchimp); what is negative or no number is an error; what is
// absurdly long is capped.
func lifetime(value any) (time.Duration, error) {
	raw := strings.TrimSpace(text(value))
	if raw == "" {
		switch value.(type) {
		case nil, string:
			return 0, nil
		}
	}
	if strings.Trim(raw, "0123456789.eE+-") != "" { // "inf" and "0x10" are numbers to Go only
		return 0, errNoNumber
	}
	seconds, err := strconv.ParseFloat(raw, 64)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange):
		return 0, errNoNumber
	case seconds < 0:
		return 0, errNegative
	case seconds >= maxLifetime.Seconds():
		return maxLifetime, nil
	}
	return time.Duration(seconds * float64(time.Second)), nil
}
