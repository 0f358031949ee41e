// Leads what is meant for Atlassian's hosts to the sandbox, for clients whose hosts are constants.

const hosts = ['https://auth.atlassian.com', 'https://api.atlassian.com'];

export function toSandbox(sandbox) {
  const real = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const host = hosts.find((h) => url.startsWith(`${h}/`));
    if (!host) throw new Error(`a request to ${new URL(url).host}, which is not Atlassian`);
    const moved = sandbox + url.slice(host.length);
    return real(input instanceof Request ? new Request(moved, input) : moved, init);
  };
}
