// Gets a URL with a client of that name, with the token that the environment has:
//
//   node get.mjs fetch|https|axios|axios-before URL
//
// The last is the axios of most programs: it knows no CONNECT, and asks the proxy for the https:// URL.

import { get } from 'node:https';

const [client, url] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${process.env.TEA_TOKEN}` };

const clients = {
  async fetch() {
    const response = await fetch(url, { headers });
    if (!response.ok) throw new Error(`${response.status}`);
    return response.text();
  },
  https() {
    return new Promise((resolve, reject) => {
      get(url, { headers }, (response) => {
        const parts = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => (response.statusCode === 200 ? resolve(parts.join('')) : reject(new Error(`${response.statusCode}`))));
      }).on('error', reject);
    });
  },
  async axios(name = 'axios') {
    const { default: axios } = await import(name);
    return (await axios.get(url, { headers })).data;
  },
  'axios-before': () => clients.axios('axios-before'),
};

console.log(await clients[client]());
