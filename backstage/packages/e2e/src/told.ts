/* What does the story say, and when does it break off? */

export function tell(what: string): void {
  process.stdout.write(`${what}\n`);
}

/** @throws When it is not so. */
export function check(is: boolean, what: string): void {
  if (!is) {
    throw new Error(what);
  }
}
