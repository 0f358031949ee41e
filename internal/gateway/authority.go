package gateway

import (
	"context"
	"net/http"

	"github.com/keybearer/keybearer/secret"
)

const metadataPath = "/.well-known/oauth-protected-resource"

// authority signs people in at the gateway.
type authority struct{ door *Door }

func newAuthority(d *Door) *authority { return &authority{door: d} }

func (a *authority) routes(*http.ServeMux) {}

// bearer tells whose access token it is, if it is one.
func (a *authority) bearer(context.Context, secret.String, string) (person, bool, error) {
	return person{}, false, nil
}
