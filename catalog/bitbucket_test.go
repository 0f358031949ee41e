package catalog_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keybearer/keybearer/catalog"
	"github.com/keybearer/keybearer/oauth"
	"github.com/keybearer/keybearer/secret"
)

// bitbucket answers as Bitbucket Cloud does: credentials by Basic only, scopes in the plural and those of
// the consumer, a refresh token that stays.
func bitbucket(t *testing.T) (*httptest.Server, *[]url.Values) {
	t.Helper()
	var forms []url.Values
	refuse := func(w http.ResponseWriter, status int, code, description string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /site/oauth2/access_token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		forms = append(forms, r.PostForm)
		key, text, basic := r.BasicAuth()
		switch {
		case !basic || key != "consumer" || text != "secret-of-the-consumer":
			refuse(w, http.StatusBadRequest, "unauthorized_client", "Requests must be authenticated using OAuth client credentials")
		case r.PostForm.Get("grant_type") == "refresh_token" && r.PostForm.Get("refresh_token") != "the-refresh-token":
			refuse(w, http.StatusBadRequest, "invalid_request", "Invalid refresh_token")
		case r.PostForm.Get("grant_type") == "authorization_code" && r.PostForm.Get("code") != "the-code":
			refuse(w, http.StatusBadRequest, "invalid_grant", "The specified code is not valid.")
		default:
			answer := map[string]any{
				"access_token": "token-for-" + r.PostForm.Get("grant_type"), "token_type": "bearer", "expires_in": 7200, "scopes": "account repository pullrequest",
			}
			if r.PostForm.Get("grant_type") != "client_credentials" {
				answer["refresh_token"] = "the-refresh-token"
			}
			_ = json.NewEncoder(w).Encode(answer)
		}
	})
	mux.HandleFunc("GET /2.0/user", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token-for-authorization_code" {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte(`{"type":"error","error":{"message":"Access token expired. Use your refresh token to obtain a new access token."}}`))
			return
		}
		_, _ = w.Write([]byte(`{"account_id":"557058:alice","nickname":"alice","uuid":"{0}"}`))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, &forms
}

func bitbucketClient(t *testing.T, base string) *oauth.Client {
	t.Helper()
	d, ok := catalog.Definition("bitbucket")
	if !ok {
		t.Fatal("there is no bitbucket")
	}
	d = d.Install(oauth.Definition{
		TokenRequest:    oauth.Request{Endpoint: base + "/site/oauth2/access_token"},
		UserInfoRequest: &oauth.UserInfo{Request: oauth.Request{Endpoint: base + "/2.0/user"}},
	})
	return &oauth.Client{Definition: &d, ID: "consumer", Secret: secret.New("secret-of-the-consumer"), RedirectURI: redirectURI}
}

func TestBitbucketFromCodeToRefresh(t *testing.T) {
	server, forms := bitbucket(t)
	client := bitbucketClient(t, server.URL)
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Verifier: oauth.NewVerifier(), Scopes: []string{"repository"}})
	if err != nil || !strings.HasPrefix(to, "https://bitbucket.org/site/oauth2/authorize?") || strings.Contains(to, "audience") {
		t.Errorf("got %s, %v", to, err)
	}
	first, err := client.Exchange(t.Context(), secret.New("the-code"), oauth.NewVerifier(), []string{"repository"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(first.Scopes, []string{"account", "pullrequest", "repository"}) || first.ExpiresAt.Sub(first.IssuedAt) != 2*time.Hour {
		t.Errorf("got the scopes %q for %s, want the consumer's for two hours", first.Scopes, first.ExpiresAt.Sub(first.IssuedAt))
	}
	info, err := client.UserInfo(t.Context(), first.AccessToken)
	if err != nil || !strings.Contains(string(info), "557058:alice") {
		t.Errorf("got %s, %v; want alice", info, err)
	}
	second, err := client.Refresh(t.Context(), first.RefreshToken, first.AccessToken, first.Scopes)
	if err != nil || !second.RefreshToken.Equal(first.RefreshToken) || second.AccessToken.Equal(first.AccessToken) {
		t.Errorf("got %v, want another access token and the same refresh token", err)
	}
	account, err := client.ClientCredentials(t.Context(), "consumer", client.Secret, nil)
	if err != nil || account.AccessToken.Reveal() != "token-for-client_credentials" || !account.RefreshToken.IsZero() {
		t.Errorf("client credentials: got %v, want a token without a refresh token", err)
	}
	for _, form := range *forms {
		if form.Has("client_id") || form.Has("client_secret") || form.Has("scope") {
			t.Errorf("%s: credentials or scopes are in the body", form.Get("grant_type"))
		}
	}
}

func TestBitbucketErrors(t *testing.T) {
	server, _ := bitbucket(t)
	client := bitbucketClient(t, server.URL)
	_, err := client.Exchange(t.Context(), secret.New("another"), oauth.NewVerifier(), nil)
	wantError(t, err, oauth.Reconsent, "Bitbucket does not take the code")
	_, err = client.Refresh(t.Context(), secret.New("another"), secret.New("x"), nil)
	wantError(t, err, oauth.Reconsent, "The connection to Bitbucket has ended")
	client.Secret = secret.New("another")
	_, err = client.Exchange(t.Context(), secret.New("the-code"), oauth.NewVerifier(), nil)
	wantError(t, err, oauth.Misconfigured, "Copy the consumer's key and secret again")
	_, err = client.Refresh(t.Context(), secret.New("the-refresh-token"), secret.New("x"), nil)
	wantError(t, err, oauth.Misconfigured, "the connections are kept")
	_, err = client.ClientCredentials(t.Context(), "consumer", client.Secret, nil)
	wantError(t, err, oauth.Reconsent, "service account's credential is not accepted")
	wantError(t, client.Definition.CallbackError("access_denied", ""), oauth.UserChoice, "You declined access at Bitbucket")
}

func TestBitbucketDataCenter(t *testing.T) {
	d, ok := catalog.Definition("bitbucket-data-center")
	if !ok {
		t.Fatal("there is no bitbucket-data-center")
	}
	d = d.Install(oauth.Definition{ServerURL: "https://git.example.com/bitbucket"})
	client := oauth.Client{Definition: &d, ID: "c", RedirectURI: redirectURI}
	to, err := client.AuthorizeURL(oauth.AuthorizeOptions{State: secret.New("s"), Verifier: oauth.NewVerifier(), Scopes: []string{"REPO_WRITE", "ACCOUNT_WRITE"}})
	if err != nil || !strings.HasPrefix(to, "https://git.example.com/bitbucket/rest/oauth2/latest/authorize?") || !strings.Contains(to, "scope=REPO_WRITE%20ACCOUNT_WRITE") {
		t.Errorf("got %s, %v", to, err)
	}
	if got := d.Scopes.Unknown([]string{"REPO_READ", "READ"}); !slices.Equal(got, []string{"READ"}) {
		t.Errorf("got %q, want Jira's scope to be unknown", got)
	}
	if d.UserInfoRequest != nil || d.Refresh.Ahead != oauth.AheadNever {
		t.Error("want no user info, and no refresh ahead")
	}
}
