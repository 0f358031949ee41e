package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// userHeaders name the user that an API key acts for. The first is the one that clients of the vendor's gateway send.
func userHeaders() []string { return []string{"Arcade-User-ID", "Keybearer-User-ID"} }

// believed is how long the SDK may believe what was verified for one request: for that request.
const believed = time.Minute

// known lets only those in who say who they are. What they say is looked at for each request, so a key that is
// revoked, or a token that is over, ends here.
func (s *server) known(next http.Handler) http.Handler {
	bearer := auth.RequireBearerToken(s.verify, &auth.RequireBearerTokenOptions{
		ResourceMetadataURL: s.door.cfg.PublicURL + metadataPath + s.path,
	})(next)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		// The published SDKs send an API key without a scheme before it.
		if text := strings.TrimSpace(req.Header.Get("Authorization")); text != "" && !strings.Contains(text, " ") {
			req = req.Clone(req.Context())
			req.Header.Set("Authorization", "Bearer "+text)
		}
		bearer.ServeHTTP(w, req)
	})
}

// verify tells who presents a token: an access token of the authority, or an API key.
func (s *server) verify(ctx context.Context, token string, req *http.Request) (*auth.TokenInfo, error) {
	p, err := s.person(ctx, secret.New(token), req)
	if err != nil {
		if keybearer.KindOf(err) == keybearer.Internal || errors.Is(err, keybearer.Unavailable) {
			s.door.log.Error("nobody can be let in at the MCP gateway", "error", err)
			return nil, errors.New("the engine cannot look that up now: try again later")
		}
		return nil, refused{err}
	}
	if !s.gateway.admits(p) {
		return nil, refused{keybearer.Errorf(keybearer.PermissionDenied, "this gateway is not for %s", p.user)}
	}
	return &auth.TokenInfo{
		// It binds a session to who opened it: nobody else gets it, though he knew its id.
		UserID:     p.view.Caller().Name + " " + string(p.user),
		Expiration: time.Now().Add(believed),
		Extra:      map[string]any{personKey: p},
	}, nil
}

const personKey = "person"

// refused makes an error one that the SDK answers with 401, with its text.
type refused struct{ error }

func (r refused) Unwrap() []error { return []error{auth.ErrInvalidToken, r.error} }

func (s *server) person(ctx context.Context, token secret.String, req *http.Request) (person, error) {
	if p, ok, err := s.door.signIn.bearer(ctx, token, s.path); ok {
		return p, err
	}
	caller, err := s.door.cfg.Broker.Authenticate(ctx, token)
	if err != nil {
		return person{}, err
	}
	user := keybearer.UserID("")
	for _, name := range userHeaders() {
		values := req.Header.Values(name)
		if len(values) > 1 || len(values) == 1 && user != "" && user != keybearer.UserID(values[0]) {
			return person{}, keybearer.Errorf(keybearer.BadRequest, "more than one user is named: send %s once", name)
		}
		if len(values) == 1 {
			user = keybearer.UserID(values[0])
		}
	}
	if user == "" {
		return person{}, keybearer.Errorf(keybearer.BadRequest, "an API key acts for a user here: name the user in the header %s, or sign in without a key", userHeaders()[0])
	}
	if err := keybearer.CheckUserID(user); err != nil {
		return person{}, err
	}
	return person{view: s.door.cfg.Broker.As(caller), user: user}, nil
}

// personOf tells who sent a request, which [server.known] found out.
func personOf(info *auth.TokenInfo) (person, error) {
	if info != nil {
		if p, ok := info.Extra[personKey].(person); ok {
			return p, nil
		}
	}
	return person{}, errors.New("nobody is signed in")
}
