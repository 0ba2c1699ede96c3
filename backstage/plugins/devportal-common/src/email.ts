/** One address: neither several, nor with headers, nor with what an address hides. */
const ONE =
  /^[\p{L}\p{N}.!$'*+=^_`{|}~-]+@[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?$/u;

/** Whether it is plainly one e-mail address, which may follow `mailto:` as it stands. */
export const isOneEmail = (text: string): boolean => ONE.test(text);
