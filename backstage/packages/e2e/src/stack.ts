/*
 * What does the story play on? The local stack with its sample: addresses come by
 * environment variables, as `cargo xtask env` prints them.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

function variable(name: string): string {
  const value = process.env[name];
  if (!value) {
    throw new Error(`${name} is not set: eval "$(cargo xtask env)"`);
  }
  return value;
}

export const backstage = variable('BACKSTAGE_URL');
const gateway = new URL(variable('GATEWAY_URL'));

/** kubectl, as one of the people of the stack; what it is given to read is an object. */
export async function kubectl(
  who: string,
  args: string[],
  object?: object,
): Promise<string> {
  const asked = run(process.env.KUBECTL ?? 'kubectl', [
    '--context',
    who,
    ...args,
  ]);
  asked.child.stdin?.end(object && JSON.stringify(object));
  return (await asked).stdout;
}

/**
 * Runs a snippet that a page offers, as whoever copied it would, and tells the status
 * that the gateway answered. The gateway of the stack is on loopback and without TLS,
 * which is all that is changed about the command.
 */
export async function runCurl(snippet: string, key: string): Promise<number> {
  const script = `curl() {
    command curl --silent --output /dev/null --write-out '%{http_code}' \\
      --connect-to "::${gateway.host}" "$@"
  }
  ${snippet.replace('https://', 'http://')}`;
  const { stdout } = await run('bash', ['-c', script], {
    env: { ...process.env, API_KEY: key },
  });
  return Number(stdout.trim().slice(-3));
}

/** Asks again until it is so. */
export async function until<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  seconds = 30,
): Promise<T> {
  const end = Date.now() + seconds * 1_000;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) {
      return answer;
    }
    if (Date.now() > end) {
      throw new Error(`not within ${seconds} s: ${what}`);
    }
    await new Promise(resolve => setTimeout(resolve, 200));
  }
}
