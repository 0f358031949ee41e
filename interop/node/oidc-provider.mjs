// The certified OpenID provider of npm (`oidc-provider`) as a peer for the engine.
//
//   node oidc-provider.mjs PORT REDIRECT_URI...
//
// PORT 0 takes a free one. The environment holds what must not stand in an
// argument list and what a test turns:
//   OIDC_CLIENT_ID, OIDC_CLIENT_SECRET   the one confidential client
//   OIDC_CLIENT_AUTH                     its token_endpoint_auth_method (default client_secret_post)
//   OIDC_ACCESS_TOKEN_TTL                seconds, default 3600
//   OIDC_CODE_TTL                        seconds, default 60
// When it listens it prints one JSON line (issuer, endpoints); every token
// request becomes a JSON line {"event":"token", grant_type, client_auth, body_keys, status},
// with names only, never a value. It ends when its standard input closes.

import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

import Provider from 'oidc-provider';

const [port, ...redirectURIs] = process.argv.slice(2);
if (port === undefined || redirectURIs.length === 0) {
  console.error('usage: oidc-provider.mjs PORT REDIRECT_URI...');
  process.exit(2);
}

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const seconds = (name, fallback) => Number(process.env[name] ?? fallback);

const server = createServer();
server.listen(Number(port), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration());

  provider.use(async (ctx, next) => {
    await next();
    if (ctx.path !== '/token') return;
    const body = ctx.oidc?.body ?? {};
    say({
      event: 'token',
      grant_type: body.grant_type ?? '',
      client_auth: ctx.get('authorization').split(' ')[0] || 'none',
      body_keys: Object.keys(body).filter((key) => body[key] !== undefined).sort(),
      status: ctx.status,
      error: ctx.body?.error ?? '',
    });
  });

  server.on('request', provider.callback());
  say({
    event: 'ready',
    issuer,
    authorization_endpoint: `${issuer}/auth`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/me`,
    introspection_endpoint: `${issuer}/token/introspection`,
    revocation_endpoint: `${issuer}/token/revocation`,
  });
});

// A line on standard input is answered with a mark: what comes before it has been said.
createInterface({ input: process.stdin })
  .on('line', (line) => say({ event: 'mark', mark: JSON.parse(line) }))
  .on('close', () => process.exit(0));

function configuration() {
  return {
    clients: [{
      client_id: process.env.OIDC_CLIENT_ID,
      client_secret: process.env.OIDC_CLIENT_SECRET,
      token_endpoint_auth_method: process.env.OIDC_CLIENT_AUTH ?? 'client_secret_post',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: redirectURIs,
      // By the library's rule an http redirect address is only for native applications.
      application_type: 'native',
    }],
    scopes: ['openid', 'offline_access', 'profile', 'email', 'scope1', 'scope2'],
    claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
    findAccount: (ctx, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@hooli.example`, name: `Person ${id}` }),
    }),
    features: {
      devInteractions: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
    },
    pkce: { required: () => true },
    rotateRefreshToken: true,
    // Without this a token is taken for 15 seconds after its end.
    clockTolerance: 0,
    ttl: {
      AccessToken: seconds('OIDC_ACCESS_TOKEN_TTL', 3600),
      AuthorizationCode: seconds('OIDC_CODE_TTL', 60),
      Grant: 86400,
      IdToken: 3600,
      Interaction: 600,
      RefreshToken: 86400,
      Session: 86400,
    },
    cookies: { keys: ['only for tests on loopback'] },
  };
}
