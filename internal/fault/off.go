//go:build !chaos

package fault

import (
	"net/http"
	"time"
)

// At does nothing in this build.
func At(Point, string) {}

// Now is [time.Now] in this build.
func Now() time.Time { return time.Now() }

// Transport returns rt in this build.
func Transport(rt http.RoundTripper) http.RoundTripper { return rt }
