package atlassian

import (
	"context"
	"crypto/sha256"
	"net/url"
	"time"

	"github.com/keybearer/keybearer"
	"github.com/keybearer/keybearer/secret"
)

// login is a sign-in between Start and Complete, as it is stored. The state itself is not in it but its
// hash; the newest one's stands beside it, where the module has it.
type login struct {
	State    []byte    `json:"state,omitempty"` // none: AtlassianApiModule sends none to Data Center
	Verifier string    `json:"verifier,omitempty"`
	Redirect string    `json:"redirect_uri"`
	Scopes   []string  `json:"scopes"`
	Started  time.Time `json:"started,omitzero"`
	Deadline time.Time `json:"deadline"`
	Done     bool      `json:"done,omitempty"` // kept, to tell what was finished from what is unknown
}

// maxLogins is how many sign-ins may be open at once; the oldest goes.
const maxLogins = 20

func hashState(s secret.String) []byte {
	sum := sha256.Sum256([]byte(s.Reveal()))
	return sum[:]
}

// Start begins a sign-in and gives the URL that the user has to open. Nobody is asked, and nothing needs to
// listen at the callback: what comes back there, in the address bar, goes to [Client.Complete], of this
// client or of another one on the same store. A sign-in that was started before can still be completed.
// The connection stays in use until a new one takes its place.
//
// The state and the PKCE verifier are new each time and belong together.
func (c *Client) Start(ctx context.Context) (string, error) {
	visitor := c.broker.Visitor(keybearer.NewBrowserSecret())
	a, err := c.view.AuthorizeAgain(ctx, c.request(c.cfg.Scopes))
	if err != nil {
		return "", err
	}
	to, err := visitor.Begin(ctx, a.ID)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(to)
	if err != nil {
		return "", keybearer.Errorf(keybearer.Internal, "the authorization URL cannot be read")
	}
	sent := secret.New(u.Query().Get("state"))
	attempt, err := c.logins.TakeAttempt(ctx, hashState(sent))
	if err != nil {
		return "", err
	}
	verifier, err := c.rows.sealer.Open(attempt.Verifier, attempt.VerifierPlace())
	if err != nil {
		return "", keybearer.Errorf(keybearer.Internal, "opening the code verifier: %w", err)
	}
	return to, c.rows.change(ctx, func(s *state) error {
		s.begin(login{
			State: attempt.StateHash, Verifier: string(verifier), Redirect: attempt.RedirectURI, Scopes: c.cfg.Scopes,
			Started: attempt.CreatedAt, Deadline: attempt.Deadline,
		}, sent, c.cfg.Now())
		return nil
	})
}

func (c *Client) request(scopes []string) keybearer.AuthorizeRequest {
	return keybearer.AuthorizeRequest{ID: c.rows.ref.Provider, User: c.rows.ref.User, Scopes: scopes}
}
