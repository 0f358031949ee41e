package atlassiantest

import (
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"github.com/keybearer/keybearer/providertest"
)

// BitbucketConfig says whom a [BitbucketCloud] knows and how it behaves. The
// zero one is a working Bitbucket with one consumer and three accounts.
type BitbucketConfig struct {
	Consumers []Consumer // default: [DefaultConsumer]
	Accounts  []Account  // default: [DefaultAccounts]

	Clock    func() time.Time      // default: time.Now
	Decision providertest.Decision // what the person does at first; default: asked by a page

	AccessLifetime time.Duration // in whole seconds; default 2 h, where older texts say one
	CodeLifetime   time.Duration // default 5 min; Bitbucket publishes none
	// Rotate replaces the refresh token at every use; by default it stays the same.
	Rotate bool
	// SecretRotated refuses the secret of every consumer.
	SecretRotated bool
}

// Consumer is an OAuth consumer of a workspace.
type Consumer struct {
	Key, Secret string // an empty secret is generated, see [BitbucketCloud.Consumers]
	Name        string
	Callback    string   // what a redirect_uri has to begin with; default: [DefaultCallback]
	Scopes      []string // the tick boxes; default: account, email, repository
	// Owner is the key of the account that client_credentials acts as;
	// default: the first account.
	Owner string
}

// DefaultConsumer is the consumer of the zero BitbucketConfig.
func DefaultConsumer() Consumer {
	return Consumer{Key: "sandbox-consumer", Name: "Keybearer sandbox consumer"}
}

func (c BitbucketConfig) withDefaults() BitbucketConfig {
	c.Consumers, c.Accounts = slices.Clone(c.Consumers), slices.Clone(c.Accounts)
	if len(c.Accounts) == 0 {
		c.Accounts = DefaultAccounts()
	}
	if len(c.Consumers) == 0 {
		c.Consumers = []Consumer{DefaultConsumer()}
	}
	for i := range c.Consumers {
		c.Consumers[i] = c.Consumers[i].withDefaults(c.Accounts[0].Key)
	}
	c.AccessLifetime = duration(c.AccessLifetime, 2*time.Hour)
	c.CodeLifetime = duration(c.CodeLifetime, 5*time.Minute)
	return c
}

func (c Consumer) withDefaults(owner string) Consumer {
	c.Scopes = slices.Clone(c.Scopes)
	if c.Secret == "" {
		c.Secret = rand.Text()
	}
	if c.Callback == "" {
		c.Callback = DefaultCallback
	}
	if c.Scopes == nil {
		c.Scopes = []string{"account", "email", "repository"}
	}
	if c.Owner == "" {
		c.Owner = owner
	}
	return c
}

func (c BitbucketConfig) check() error {
	seen := map[string]bool{}
	for _, consumer := range c.Consumers {
		if seen[consumer.Key] {
			return fmt.Errorf("there are two consumers with the key %q", consumer.Key)
		}
		seen[consumer.Key] = true
	}
	return nil
}

// bitbucketKnobs is the table of switches of Bitbucket Cloud.
func bitbucketKnobs() []knob[BitbucketConfig] {
	type C = BitbucketConfig
	return []knob[C]{
		span("code_life", "How long codes live. Bitbucket publishes nothing.",
			func(c *C) *time.Duration { return &c.CodeLifetime }),
		span("access_life", "How long access tokens live: two hours now, one in older texts.",
			func(c *C) *time.Duration { return &c.AccessLifetime }),
		onOff("rotate", "A refresh replaces the refresh token, and the old one is refused. It is not known to, but a client has to take the token that it is given.",
			func(c *C) *bool { return &c.Rotate }),
		onOff("secret_rotated", "The consumer's secret is refused: its owner has made a new one.",
			func(c *C) *bool { return &c.SecretRotated }),
	}
}

// Set turns a switch; see [Switch]. An unknown name and a value that it cannot
// have are errors, and change nothing.
func (s *BitbucketCloud) Set(name, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := turn(bitbucketKnobs(), &s.config, name, value); err != nil {
		return err
	}
	s.follow()
	return nil
}

// Switches lists the switches as they are now.
func (s *BitbucketCloud) Switches() []Switch {
	s.mu.Lock()
	defer s.mu.Unlock()
	untouched := BitbucketConfig{}.withDefaults()
	return list(bitbucketKnobs(), &s.config, &untouched)
}

// follow brings the ledger's rules in line with the switches.
func (s *BitbucketCloud) follow() { s.families.Rotate = s.config.Rotate }
