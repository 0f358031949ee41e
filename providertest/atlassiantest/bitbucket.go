package atlassiantest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/keybearer/keybearer/providertest"
	"github.com/keybearer/keybearer/providertest/internal/ledger"
)

// BitbucketCloud is a local bitbucket.org and api.bitbucket.org at one
// address: another system than Atlassian Cloud, without audience, sites and
// offline_access. It is an http.Handler, safe for concurrent use.
type BitbucketCloud struct {
	*providertest.Bench

	pages pages
	mux   *http.ServeMux

	mu       sync.Mutex // guards everything below
	config   BitbucketConfig
	pending  *ledger.Book[*consumerRequest]
	codes    *ledger.Codes
	families *ledger.Families
	access   *ledger.Tokens
}

// consumerRequest is an authorization request that waits for its person.
type consumerRequest struct {
	tx, redirect, state string
	consumer            Consumer
	expires             time.Time
}

// NewBitbucketCloud returns a server. It panics if the configuration
// contradicts itself, which is a mistake of the program that wrote it.
func NewBitbucketCloud(c BitbucketConfig) *BitbucketCloud {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		panic("atlassiantest: " + err.Error())
	}
	s := &BitbucketCloud{
		Bench: providertest.NewBench(c.Clock), config: c, pages: parsePages(), mux: http.NewServeMux(),
		pending: ledger.NewBook[*consumerRequest](1000), codes: ledger.NewCodes(), access: ledger.NewTokens(),
		families: &ledger.Families{Mint: refreshToken},
	}
	s.follow()
	s.Decide(c.Decision)
	handle := func(pattern string, at providertest.Endpoint, work func(*providertest.Call) *providertest.Answer) {
		s.mux.Handle(pattern, s.Handle(at, func(c *providertest.Call) *providertest.Answer {
			s.mu.Lock()
			defer s.mu.Unlock()
			return work(c)
		}))
	}
	handle("GET /site/oauth2/authorize", providertest.Authorize, s.authorize)
	handle("POST /site/oauth2/authorize", providertest.Consent, s.decide)
	handle("POST /site/oauth2/access_token", providertest.Token, s.token)
	handle("GET /2.0/user", providertest.Userinfo, s.needs("account", s.user))
	handle("GET /2.0/user/emails", providertest.API, s.needs("email", s.emails))
	handle("GET /2.0/repositories/{workspace}", providertest.API, s.needs("repository", s.repositories))
	handle("/", providertest.API, func(c *providertest.Call) *providertest.Answer {
		return bitbucketFailure(http.StatusNotFound, "Resource not found")
	})
	return s
}

// ServeHTTP serves both of Bitbucket's hosts. The control API is not part of
// it; see [BitbucketCloud.Control].
func (s *BitbucketCloud) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Consumers returns the OAuth consumers, their secrets included.
func (s *BitbucketCloud) Consumers() []Consumer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.config.Consumers)
}

func (s *BitbucketCloud) consumer(key string) (Consumer, bool) {
	i := slices.IndexFunc(s.config.Consumers, func(c Consumer) bool { return c.Key == key })
	if i < 0 {
		return Consumer{}, false
	}
	return s.config.Consumers[i], true
}

func (s *BitbucketCloud) account(name string) (Account, bool) {
	i := slices.IndexFunc(s.config.Accounts, func(a Account) bool { return matches(a, name) })
	if i < 0 || name == "" {
		return Account{}, false
	}
	return s.config.Accounts[i], true
}

// authorize asks the person for what the consumer's owner ticked: the request
// names no scopes. A redirect_uri may be longer than the registered one, and
// may be left out.
func (s *BitbucketCloud) authorize(c *providertest.Call) *providertest.Answer {
	consumer, ok := s.consumer(c.Get("client_id"))
	if !ok {
		return s.trouble(c, "client_unknown", "Invalid client_id. This integration is misconfigured. Contact the vendor for assistance.")
	}
	c.Record.Client = consumer.Key
	r := &consumerRequest{redirect: c.Get("redirect_uri"), state: c.Get("state"), consumer: consumer, expires: s.Now().Add(10 * time.Minute)}
	if r.redirect == "" {
		r.redirect = consumer.Callback
	}
	if !strings.HasPrefix(r.redirect, consumer.Callback) {
		return s.trouble(c, "redirect_mismatch", "Invalid redirect_uri. This integration is misconfigured. Contact the vendor for assistance.")
	}
	if c.Get("response_type") != "code" {
		return s.back(r, url.Values{"error": {"unsupported_response_type"}, "error_description": {"Unsupported response type"}})
	}
	decision := s.Decision()
	if decision.Answer == "" || decision.Answer == "ask" {
		r.tx = anyText(24, 25)
		s.pending.Put(r.tx, r)
		c.Record.Outcome = providertest.Asked
		return s.pages.show(http.StatusOK, "account", map[string]any{
			"Action": "/site/oauth2/authorize", "Tx": r.tx, "App": consumer.Name + " (" + strings.Join(consumer.Scopes, ", ") + ")", "Accounts": s.config.Accounts,
		})
	}
	account, ok := s.account(decision.User)
	if !ok && decision.User != "" {
		return s.trouble(c, "account_unknown", "The decision names an account that does not exist.")
	}
	if !ok {
		account = s.config.Accounts[0]
	}
	return s.conclude(c, r, account, decision.Answer == "approve")
}

// decide is the form of the page: who signs in grants access.
func (s *BitbucketCloud) decide(c *providertest.Call) *providertest.Answer {
	r, ok := s.pending.Take(c.Get("tx"))
	account, known := s.account(c.Get("account"))
	if !ok || !known || !s.Now().Before(r.expires) {
		return s.trouble(c, "not_waiting", "No application waits for you, or it has waited too long. Go back to it and start again.")
	}
	return s.conclude(c, r, account, true)
}

func (s *BitbucketCloud) conclude(c *providertest.Call, r *consumerRequest, account Account, granted bool) *providertest.Answer {
	c.Record.Client, c.Record.User = r.consumer.Key, account.Key
	if !granted {
		c.Record.Outcome, c.Record.Error = providertest.Declined, "access_denied"
		return s.back(r, url.Values{"error": {"access_denied"}, "error_description": {"The user denied access"}})
	}
	c.Record.Outcome = providertest.Approved
	code := "sandbox-code-" + anyText(18, 30)
	s.codes.Issue(code, ledger.Code{
		Client: r.consumer.Key, User: account.Key, Scopes: r.consumer.Scopes, Expires: s.Now().Add(s.config.CodeLifetime),
	})
	return s.back(r, url.Values{"code": {code}})
}

func (s *BitbucketCloud) back(r *consumerRequest, params url.Values) *providertest.Answer {
	if r.state != "" {
		params.Set("state", r.state)
	}
	return providertest.Back(r.redirect, params)
}

func (s *BitbucketCloud) trouble(c *providertest.Call, reason, text string) *providertest.Answer {
	c.Record.Outcome, c.Record.Reason = providertest.Refused, reason
	return s.pages.show(http.StatusBadRequest, "trouble", map[string]string{"Title": "Invalid request", "Text": text})
}
