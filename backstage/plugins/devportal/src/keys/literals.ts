/*
 * How is a text written so that a shell or a language reads that text and nothing else?
 * Names of headers, prefixes and hosts are written by others.
 */

/** Everything but printable ASCII, quotes and backslashes, by code point. */
function quoted(text: string, escape: (codePoint: number) => string): string {
  const inside = [...text].map(it => {
    const codePoint = it.codePointAt(0) ?? 0;
    if (it === '"' || it === '\\') return `\\${it}`;
    return codePoint >= 0x20 && codePoint < 0x7f ? it : escape(codePoint);
  });
  return `"${inside.join('')}"`;
}

const hex = (codePoint: number, digits: number) =>
  codePoint.toString(16).padStart(digits, '0');

export const inJavaScript = (text: string) =>
  quoted(text, it => `\\u{${hex(it, 1)}}`);

export const inPython = (text: string) =>
  quoted(text, it => `\\U${hex(it, 8)}`);

export const inGo = inPython;

export const inRust = inJavaScript;

/** One word of a POSIX shell. */
export const inShell = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

/** A text with a variable after it, as one word of a POSIX shell. */
export const inShellWith = (text: string, variable: string) =>
  /^[A-Za-z0-9 _.,:;=/-]*$/.test(text)
    ? `"${text}$${variable}"`
    : `${inShell(text)}"$${variable}"`;
