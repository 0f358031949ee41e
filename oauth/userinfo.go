package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/keybearer/keybearer/secret"
)

// UserInfo asks what the provider says of the user, as a JSON object: the whole answer, or what
// response_map takes out of it. Without a user_info_request it is nil.
func (c *Client) UserInfo(ctx context.Context, access secret.String) (json.RawMessage, error) {
	if c.Definition.UserInfoRequest == nil {
		return nil, nil
	}
	r := c.Definition.UserInfoRequest.Request
	if r.AuthMethod == "" {
		r.AuthMethod = AuthBearerAccessToken
	}
	got, err := c.do(ctx, AtUserInfo, http.MethodGet, r, values{"access_token": access.Reveal()})
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(got.header.Get("X-AUSERNAME"), "anonymous") { // Data Center's answer to a token that it does not take
		return nil, &Error{
			At: AtUserInfo, Status: got.status, Class: Reconsent, Err: errors.New("the server answered as to nobody in particular"),
			Advice: "The server did not accept the token",
		}
	}
	doc, err := decode(got)
	if err != nil {
		return nil, unreadable(AtUserInfo, got, err)
	}
	if statesError(doc) {
		return nil, c.errorIn(AtUserInfo, got, doc)
	}
	if len(r.ResponseMap) > 0 {
		doc = r.ResponseMap.Apply(doc)
	}
	if _, ok := doc.(map[string]any); !ok {
		return nil, unreadable(AtUserInfo, got, errors.New("the answer is not a JSON object"))
	}
	return json.Marshal(doc)
}
