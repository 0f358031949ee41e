package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

const (
	// metadataPath is where RFC 9728 puts the metadata of a resource, with the resource's own path behind it.
	metadataPath = "/.well-known/oauth-protected-resource"
	serverPath   = "/.well-known/oauth-authorization-server"
	authorizeAt  = "/oauth/authorize" // the page, in another room
	tokenAt      = "/oauth/token"
	registerAt   = "/oauth/register"
	revokeAt     = "/oauth/revoke"

	maxOAuthBody = 16 << 10
	// Anybody may register a client. So many may at once, and then so often; all together.
	registerBurst = 30
	registerEvery = 2 * time.Second
)

// authority signs people in at the gateway: the engine as OAuth 2.1 authorization server of MCP clients. What it decides is the
// Broker's; here are the words.
type authority struct {
	door      *Door
	registers *rate.Limiter
}

func newAuthority(d *Door) *authority {
	return &authority{door: d, registers: rate.NewLimiter(rate.Every(registerEvery), registerBurst)}
}

func (a *authority) routes(mux *http.ServeMux) {
	base := a.door.cfg.PublicURL
	for _, s := range a.door.servers {
		mux.Handle("GET "+metadataPath+s.path, auth.ProtectedResourceMetadataHandler(a.resource(s.path)))
		mux.Handle("OPTIONS "+metadataPath+s.path, auth.ProtectedResourceMetadataHandler(a.resource(s.path)))
	}
	mux.Handle(metadataPath, auth.ProtectedResourceMetadataHandler(a.resource("/mcp")))
	// Behind a path, RFC 8414 has the path at the end; many clients look at the root.
	mux.HandleFunc(serverPath, a.metadata)
	mux.HandleFunc(serverPath+"/", a.metadata)
	if prefix := pathOf(base); prefix != "" {
		mux.HandleFunc(serverPath+prefix, a.metadata)
	}
	mux.HandleFunc("POST "+registerAt, a.open(a.register))
	mux.HandleFunc("POST "+tokenAt, a.open(a.token))
	mux.HandleFunc("POST "+revokeAt, a.open(a.revoke))
	for _, path := range []string{registerAt, tokenAt, revokeAt} {
		mux.HandleFunc("OPTIONS "+path, preflight)
	}
}

func pathOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return ""
	}
	return strings.TrimRight(u.Path, "/")
}

// resource says where one signs in for a gateway (RFC 9728).
func (a *authority) resource(path string) *oauthex.ProtectedResourceMetadata {
	return &oauthex.ProtectedResourceMetadata{
		Resource: a.door.cfg.PublicURL + path, AuthorizationServers: []string{a.door.cfg.Broker.Issuer()},
		BearerMethodsSupported: []string{"header"}, ResourceName: "Keybearer tools",
	}
}

// metadata describes the authorization server (RFC 8414).
func (a *authority) metadata(w http.ResponseWriter, req *http.Request) {
	if preflight(w, req); req.Method == http.MethodOptions {
		return
	}
	base := a.door.cfg.PublicURL
	say(w, http.StatusOK, map[string]any{
		"issuer": a.door.cfg.Broker.Issuer(), "authorization_endpoint": base + authorizeAt, "token_endpoint": base + tokenAt,
		"registration_endpoint": base + registerAt, "revocation_endpoint": base + revokeAt,
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query"},
		"grant_types_supported": []string{"authorization_code", "refresh_token"}, "code_challenge_methods_supported": []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none"}, "revocation_endpoint_auth_methods_supported": []string{"none"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// preflight lets pages of any origin ask: a client may run in a browser, and no cookie counts here.
func preflight(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type, Authorization, MCP-Protocol-Version")
	if req.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
	}
}

// open answers a request within its bounds, in the words of OAuth.
func (a *authority) open(answer func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, req *http.Request) {
		preflight(w, req)
		req.Body = http.MaxBytesReader(w, req.Body, maxOAuthBody)
		err := answer(w, req)
		if err == nil {
			return
		}
		if e, ok := errors.AsType[*keybearer.ClientError](err); ok {
			say(w, http.StatusBadRequest, oauthError{e.Code, e.Description})
			return
		}
		if e, ok := errors.AsType[*keybearer.Error](err); ok && e.Kind == keybearer.RateLimited {
			w.Header().Set("Retry-After", "10")
			say(w, http.StatusTooManyRequests, oauthError{"temporarily_unavailable", err.Error()})
			return
		}
		a.door.log.Error("signing in at the MCP address", "path", req.URL.Path, "error", err)
		say(w, http.StatusServiceUnavailable, oauthError{"temporarily_unavailable", "the engine cannot do that now: try again later"})
	}
}

type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

func say(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"server_error"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // who asked may have gone
}

// registration is what a client says of itself, and is told (RFC 7591). Members that are not here are ignored.
type registration struct {
	ClientID      string   `json:"client_id,omitempty"`
	IssuedAt      int64    `json:"client_id_issued_at,omitempty"`
	Name          string   `json:"client_name,omitempty"`
	RedirectURIs  []string `json:"redirect_uris"`
	GrantTypes    []string `json:"grant_types,omitempty"`
	ResponseTypes []string `json:"response_types,omitempty"`
	AuthMethod    string   `json:"token_endpoint_auth_method,omitempty"`
}

func (a *authority) register(w http.ResponseWriter, req *http.Request) error {
	if !a.registers.AllowN(time.Now(), 1) {
		return keybearer.Errorf(keybearer.RateLimited, "too many clients were registered in a short time: try again in some seconds")
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return &keybearer.ClientError{Code: "invalid_client_metadata", Description: "the registration is larger than 16 KiB"}
	}
	var in registration
	if err := json.Unmarshal(body, &in); err != nil {
		return &keybearer.ClientError{Code: "invalid_client_metadata", Description: "the registration is no JSON object that can be read"}
	}
	c, err := a.door.cfg.Broker.RegisterClient(req.Context(), keybearer.ClientDraft{Name: in.Name, RedirectURIs: in.RedirectURIs})
	if err != nil {
		return err
	}
	say(w, http.StatusCreated, registration{
		ClientID: c.ID, IssuedAt: c.CreatedAt.Unix(), Name: c.Name, RedirectURIs: c.RedirectURIs,
		GrantTypes: []string{"authorization_code", "refresh_token"}, ResponseTypes: []string{"code"}, AuthMethod: "none",
	})
	return nil
}

// form reads the parameters of a request, each of which may come once (RFC 6749 section 3.2).
func form(req *http.Request) (url.Values, error) {
	kind, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &keybearer.ClientError{Code: "invalid_request", Description: "send application/x-www-form-urlencoded"}
	}
	if err := req.ParseForm(); err != nil {
		return nil, &keybearer.ClientError{Code: "invalid_request", Description: "the parameters cannot be read, or are larger than 16 KiB"}
	}
	for name, values := range req.PostForm {
		if len(values) > 1 {
			return nil, &keybearer.ClientError{Code: "invalid_request", Description: "a parameter came more than once: " + name[:min(len(name), 40)]}
		}
	}
	return req.PostForm, nil
}

func (a *authority) token(w http.ResponseWriter, req *http.Request) error {
	f, err := form(req)
	if err != nil {
		return err
	}
	b := a.door.cfg.Broker
	var t keybearer.ClientTokens
	switch f.Get("grant_type") {
	case "authorization_code":
		t, err = b.RedeemClientCode(req.Context(), f.Get("client_id"), f.Get("redirect_uri"), f.Get("resource"), secret.New(f.Get("code")), secret.New(f.Get("code_verifier")))
	case "refresh_token":
		t, err = b.RefreshClient(req.Context(), f.Get("client_id"), f.Get("resource"), secret.New(f.Get("refresh_token")))
	default:
		err = &keybearer.ClientError{Code: "unsupported_grant_type", Description: "grant_type is authorization_code or refresh_token"}
	}
	if err != nil {
		return err
	}
	say(w, http.StatusOK, map[string]any{
		"access_token": t.Access.Reveal(), "token_type": "Bearer", "expires_in": int(t.ExpiresIn / time.Second), "refresh_token": t.Refresh.Reveal(),
	})
	return nil
}

// revoke ends what a token belongs to. One that is none is a success, too (RFC 7009 section 2.2).
func (a *authority) revoke(w http.ResponseWriter, req *http.Request) error {
	f, err := form(req)
	if err != nil {
		return err
	}
	if err := a.door.cfg.Broker.EndClient(req.Context(), f.Get("client_id"), secret.New(f.Get("token"))); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// bearer tells whose access token it is, if it is one.
func (a *authority) bearer(ctx context.Context, token secret.String, path string) (person, bool, error) {
	c, user, ok, err := a.door.cfg.Broker.ClientCaller(ctx, token, a.door.cfg.PublicURL+path)
	if !ok || err != nil {
		return person{}, ok, err
	}
	return person{view: a.door.cfg.Broker.As(c), user: user}, true, nil
}
