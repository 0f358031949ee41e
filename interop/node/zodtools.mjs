// Calls tools as the published helpers give them to an agent: by a schema, and with a link where an authorization is missing.
//
//   node zodtools.mjs USER TOOL...
//
// First it says the names of the tools; then one JSON line {"method": "Toolkit_Tool", "args": [{...}]} is one call, and the
// answer is {"result": ...} or {"exception": {...}}.

import { createInterface } from 'node:readline';

import { Arcade } from '@arcadeai/arcadejs';
import { executeOrAuthorizeZodTool, toZodToolSet } from '@arcadeai/arcadejs/lib/index';

import { described, say } from './lines.mjs';

const [userId, ...names] = process.argv.slice(2);
const client = new Arcade();

const tools = toZodToolSet({
  tools: await Promise.all(names.map((name) => client.tools.get(name))),
  client,
  userId,
  executeFactory: executeOrAuthorizeZodTool,
});
say({ result: Object.keys(tools) });

for await (const line of createInterface({ input: process.stdin })) {
  const { method, args } = JSON.parse(line);
  try {
    say({ result: (await tools[method].execute(...args)) ?? null });
  } catch (problem) {
    say({ exception: described(problem) });
  }
}
