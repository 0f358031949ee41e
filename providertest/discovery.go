package providertest

import (
	"net/http"
	"slices"
)

// metadata is the discovery document (RFC 8414, OpenID Connect Discovery).
func (s *Server) metadata(c *Call) *Answer {
	base := c.Base()
	styles := map[string]string{AuthBasic: "client_secret_basic", AuthPost: "client_secret_post"}
	methods := []string{"none"}
	for _, style := range s.config.AuthStyles {
		if name, ok := styles[style]; ok {
			methods = append(methods, name)
		}
	}
	slices.Sort(methods)
	doc := map[string]any{
		"issuer":                                s.issuer(c),
		"authorization_endpoint":                base + "/authorize",
		"token_endpoint":                        base + "/token",
		"userinfo_endpoint":                     base + "/userinfo",
		"introspection_endpoint":                base + "/introspect",
		"revocation_endpoint":                   base + "/revoke",
		"device_authorization_endpoint":         base + "/device_authorization",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "form_post"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token", grantTypeDevice},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": methods,
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"HS256"},

		"authorization_response_iss_parameter_supported": s.config.SendIss,
	}
	if s.config.Scopes != nil {
		doc["scopes_supported"] = s.config.Scopes
	}
	return JSON(http.StatusOK, doc)
}
