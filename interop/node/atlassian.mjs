// Calls methods of a published client of Atlassian Cloud, as told on standard input.
//
//   node atlassian.mjs jira|confluence bearer|oauth2
//
// One JSON line {"method": "myself.getCurrentUser", "args": [...]} is one call; the answer is
// {"result": ...} or {"exception": {...}}. "tokens" answers with what the client was given at its
// last refresh. Every answer has to be of the shape that the client knows from Atlassian's own
// description of its API: a mismatch is an exception.
//
// bearer:  HOST is the gateway of a site, ACCESS_TOKEN goes with every call.
// oauth2:  the client's own mode: REFRESH_TOKEN, CLIENT_ID, CLIENT_SECRET and the SITE_URL or CLOUD_ID.
//          Its hosts are constants, so that fetch goes to the SANDBOX in their place.

import { createInterface } from 'node:readline';

import { toSandbox } from './hosts.mjs';
import { described, say } from './lines.mjs';

const [product, mode] = process.argv.slice(2);
const env = process.env;
let tokens = {};

if (mode === 'oauth2') toSandbox(env.SANDBOX);

const config = {
  onSchemaMismatch: 'throw',
  ...(mode === 'bearer' ? { host: env.HOST, auth: { type: 'bearer', token: env.ACCESS_TOKEN } } : { auth: oauth2() }),
};
const surfaces = await (product === 'jira' ? jira() : confluence());

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ result: (await answer(JSON.parse(line))) ?? null });
  } catch (problem) {
    say({ exception: described(problem) });
  }
}

async function answer({ method, args = [] }) {
  if (method === 'tokens') return tokens;
  const path = method.split('.');
  const name = path.pop();
  const owner = path.reduce((at, step) => at[step], surfaces);
  return owner[name](...args);
}

// The surfaces of a product share one client, so that they share its tokens.
async function jira() {
  const { createAgileClient, createCloudClient, createServiceDeskClient } = await import('jira.js');
  const { createClient } = await import('jira.js/core');
  const client = createClient(config);
  return { ...createCloudClient(client), agile: createAgileClient(client), desk: createServiceDeskClient(client) };
}

async function confluence() {
  const { createV1Client, createV2Client } = await import('confluence.js');
  const { createClient } = await import('confluence.js/core');
  const client = createClient(config);
  return { v1: createV1Client(client), v2: createV2Client(client) };
}

function oauth2() {
  return {
    type: 'oauth2',
    accessToken: env.ACCESS_TOKEN,
    refreshToken: env.REFRESH_TOKEN,
    clientId: env.CLIENT_ID,
    clientSecret: env.CLIENT_SECRET,
    expiresAt: env.EXPIRED ? 1 : undefined,
    siteUrl: env.SITE_URL,
    cloudId: env.CLOUD_ID,
    onTokenRefresh: async (fresh) => {
      tokens = fresh;
    },
  };
}
