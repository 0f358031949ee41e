// Reads a stream of events with OpenAI's own client, which takes its key from the environment. After the first event it
// tells the server so, by another request.

import OpenAI from 'openai';

const client = new OpenAI({ maxRetries: 0 });
const events = await client.chat.completions.create({ model: 'm', stream: true, messages: [{ role: 'user', content: 'tea?' }] });
let said = '';
for await (const event of events) {
  if (said === '') await client.models.retrieve('seen');
  said += event.choices[0].delta.content;
}
console.log(said);
