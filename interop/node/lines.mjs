// What the JavaScript programs of the interop tests print: one JSON object a line.

export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function succeeded(response, token) {
  say({
    event: 'completed',
    id: response.id,
    status: response.status,
    token,
    user_info: response.context.user_info,
    provider_id: response.provider_id,
    user_id: response.user_id,
    scopes: response.scopes,
  });
}

export function failed(problem) {
  say({ event: 'exception', ...described(problem) });
}

// described is an exception as the tests compare it: its class, and the answer behind it.
export function described(problem) {
  return {
    class: problem.constructor.name,
    status: problem.status ?? 0,
    body: problem.error && typeof problem.error === 'object' ? problem.error : {},
    text: String(problem.message),
  };
}
