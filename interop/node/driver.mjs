// Calls methods of the published JavaScript client, as told on standard input.
//
//   node driver.mjs
//
// One JSON line {"method": "admin.authProviders.get", "args": [...]} is one call; the answer is
// {"result": ...} or {"exception": {...}}. "every": true walks all pages of a list and answers
// with the items. The client is made with nothing but its own environment variables.

import { createInterface } from 'node:readline';

import { Arcade } from '@arcadeai/arcadejs';

import { described, say } from './lines.mjs';

const client = new Arcade();

for await (const line of createInterface({ input: process.stdin })) {
  try {
    say({ result: (await answer(JSON.parse(line))) ?? null });
  } catch (problem) {
    say({ exception: described(problem) });
  }
}

async function answer({ method, args = [], every = false }) {
  const path = method.split('.');
  const name = path.pop();
  const owner = path.reduce((at, step) => at[step], client);
  const result = owner[name](...args);
  if (!every) return result;

  const items = [];
  for await (const item of result) items.push(item);
  return items;
}
