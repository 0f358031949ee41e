// Signs in at an MCP server with the published TypeScript SDK's own OAuth: it knows the address and nothing else.
//
//   node mcpsignin.mjs URL
//
// It says {"result": {"open": URL}}, the page that a person has to visit, and reads {"code": "..."}, which came back. Then it
// connects, refreshes its token once, and says {"result": {"server": ..., "tools": N}}.

import { createInterface } from 'node:readline';

import { auth, UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

import { described, say } from './lines.mjs';

const url = new URL(process.argv[2]);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const kept = {};
const provider = {
  redirectUrl: 'http://127.0.0.1:7999/callback',
  clientMetadata: { client_name: 'interop', redirect_uris: ['http://127.0.0.1:7999/callback'], grant_types: ['authorization_code', 'refresh_token'] },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => { kept.client = client; },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => { kept.tokens = tokens; },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => { kept.verifier = verifier; },
  redirectToAuthorization: (to) => say({ result: { open: String(to) } }),
};

try {
  const first = new StreamableHTTPClientTransport(url, { authProvider: provider });
  try {
    await new Client({ name: 'interop', version: '1' }).connect(first);
  } catch (problem) {
    if (!(problem instanceof UnauthorizedError)) throw problem;
  }
  const { code } = JSON.parse((await lines.next()).value);
  await first.finishAuth(code);
  const before = kept.tokens.access_token;
  await auth(provider, { serverUrl: url }); // refreshes
  if (before === kept.tokens.access_token) throw new Error('the token was not refreshed');
  const client = new Client({ name: 'interop', version: '1' });
  await client.connect(new StreamableHTTPClientTransport(url, { authProvider: provider }));
  const { tools } = await client.listTools();
  say({ result: { server: client.getServerVersion().name, tools: tools.length } });
  await client.close();
} catch (problem) {
  say({ exception: { ...described(problem), status: problem.code ?? 0 } });
}
