// Drives an MCP server with the published TypeScript SDK, as told on standard input.
//
//   node mcpclient.mjs URL [opens]
//
// One JSON line {"method": "callTool", "args": [...]} is one call of the client; the answer is {"result": ...} or
// {"exception": {...}}. The environment has the API key and the user. With "opens" the client can show links: it says
// {"result": {"open": URL}} in the middle of a call, and the next line is what the person did: {"action": "accept"}.

import { createInterface } from 'node:readline';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';

import { described, say } from './lines.mjs';

const [url, opens] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const hear = async () => JSON.parse((await lines.next()).value ?? 'null');

const client = new Client({ name: 'interop', version: '1' }, { capabilities: opens ? { elicitation: { url: {} } } : {} });
if (opens) {
  client.setRequestHandler(ElicitRequestSchema, async ({ params }) => {
    say({ result: { open: params.url, message: params.message } });
    return hear();
  });
}
await client.connect(new StreamableHTTPClientTransport(new URL(url), {
  requestInit: {
    headers: { Authorization: `Bearer ${process.env.ARCADE_API_KEY}`, 'Arcade-User-ID': process.env.ARCADE_USER_ID },
  },
}));
say({ result: { protocol: client.transport.protocolVersion, server: client.getServerVersion().name } });

for (let call = await hear(); call; call = await hear()) {
  try {
    say({ result: await client[call.method](...(call.args ?? [])) });
  } catch (problem) {
    say({ exception: { ...described(problem), status: problem.code ?? 0 } });
  }
}
await client.close();
