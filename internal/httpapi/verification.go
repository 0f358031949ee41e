package httpapi

import (
	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/api"
)

func getVerification(c *call) (api.SessionVerification, error) {
	v, choice, err := c.view.Verification(c.ctx())
	return verification(v, choice), err
}

// putVerification reads back what it wrote, since the answer has a field that the verb does not give.
func putVerification(c *call, in api.SessionVerificationUpdate) (api.SessionVerification, error) {
	wanted := keybearer.Verification{UnsafeSkip: in.UnsafeSkipVerification}
	set(&wanted.VerifierURL, in.VerifierURL)
	if _, err := c.view.SetVerification(c.ctx(), wanted); err != nil {
		return api.SessionVerification{}, err
	}
	return getVerification(c)
}

func verification(v keybearer.Verification, choice bool) api.SessionVerification {
	return api.SessionVerification{
		VerifierURL: shown(v.VerifierURL), UnsafeSkipVerification: v.UnsafeSkip, UnsafeSkipVerificationChoiceAllowed: choice,
	}
}
