// Signs in at Atlassian Cloud with a published client, and refreshes where the client can.
//
//   node atlassian-login.mjs arctic|passport SCOPE...
//
// SANDBOX, CLIENT_ID, CLIENT_SECRET and CALLBACK are in the environment. The person in front of the
// browser is the sandbox's own decision. What came of it is one JSON line.

import { Atlassian } from 'arctic';
import Strategy from 'passport-atlassian-oauth2';

import { toSandbox } from './hosts.mjs';
import { described, say } from './lines.mjs';

const { SANDBOX, CLIENT_ID, CLIENT_SECRET, CALLBACK } = process.env;
const [client, ...scopes] = process.argv.slice(2);
const fetchReally = globalThis.fetch;

try {
  say({ result: client === 'arctic' ? await arctic() : await passport() });
} catch (problem) {
  say({ exception: described(problem) });
}

// visit opens a link as a browser does, and gives where it leads back to.
async function visit(link) {
  const page = await fetchReally(link, { redirect: 'manual' });
  const back = page.headers.get('location');
  if (!back) throw new Error(`the link ends on a page with ${page.status}`);
  return new URL(back).searchParams;
}

async function arctic() {
  toSandbox(SANDBOX);
  const atlassian = new Atlassian(CLIENT_ID, CLIENT_SECRET, CALLBACK);
  const link = atlassian.createAuthorizationURL('the-state', scopes);
  const back = await visit(String(link).replace('https://auth.atlassian.com', SANDBOX));
  const first = await atlassian.validateAuthorizationCode(back.get('code'));
  const second = await atlassian.refreshAccessToken(first.refreshToken());
  return {
    state: back.get('state'),
    accessToken: second.accessToken(),
    rotated: first.refreshToken() !== second.refreshToken(),
    expires: second.accessTokenExpiresAt(),
  };
}

function passport() {
  return new Promise((resolve, reject) => {
    const strategy = new Strategy(
      {
        clientID: CLIENT_ID,
        clientSecret: CLIENT_SECRET,
        callbackURL: CALLBACK,
        authorizationURL: `${SANDBOX}/authorize`,
        tokenURL: `${SANDBOX}/oauth/token`,
        profileURL: `${SANDBOX}/me`,
        accessibleResourcesURL: `${SANDBOX}/oauth/token/accessible-resources`,
        scope: scopes,
        state: true,
      },
      (accessToken, refreshToken, profile, done) => done(null, { accessToken, refreshToken, profile }),
    );
    const session = {};
    const authenticate = (query) => strategy.authenticate({ query, session, headers: {}, connection: {} }, {});
    strategy.redirect = (link) => visit(link).then((back) => authenticate(Object.fromEntries(back)), reject);
    strategy.success = ({ accessToken, refreshToken, profile }) =>
      resolve({ accessToken, refreshable: Boolean(refreshToken), email: profile.email, sites: profile.accessibleResources });
    strategy.fail = (challenge) => reject(new Error(`refused: ${JSON.stringify(challenge)}`));
    strategy.error = reject;
    authenticate({});
  });
}
