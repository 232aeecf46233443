/** A change that a file of apt.conf(5) makes, with names in lower case: a value, or everything below a name is cleared. */
export type AptChange =
  | { readonly kind: 'set'; readonly name: string; readonly value: string }
  | { readonly kind: 'clear'; readonly name: string };

/** White space and comments, a text in quotation marks, a sign, or a word, which ends where a comment begins. */
const TOKEN =
  /\s+|\/\/[^\n]*|\/\*[^]*?(?:\*\/|$)|#(?!clear\b|include\b)[^\n]*|"([^"]*)"?|([{};])|((?:(?!\/\/|\/\*)[^\s{};"])+)/gy;

/** The changes of one file in order: `Name "value";`, `Name { … };`, `#clear Name;`. Lists and includes are left out. */
export function parseAptConfig(text: string): readonly AptChange[] {
  const changes: AptChange[] = [];
  const scopes: string[] = [];
  let words: string[] = [];
  for (const [, quoted, sign, word] of text.matchAll(TOKEN)) {
    if (sign === undefined) {
      const part = quoted ?? word;
      if (part !== undefined) words.push(part);
      continue;
    }
    const [first, second] = words;
    if (sign === '{') scopes.push((first ?? '').toLowerCase());
    else if (sign === '}') scopes.pop();
    else if (first !== undefined && second !== undefined) {
      if (first.toLowerCase() === '#clear') changes.push({ kind: 'clear', name: second.toLowerCase() });
      else changes.push({ kind: 'set', name: [...scopes, first.toLowerCase()].join('::'), value: second });
    }
    words = [];
  }
  return changes;
}

/** Is the file in a directory of parts read? Its name has no or the extension `conf`, and only these characters. */
export function isAptPart(name: string): boolean {
  return /^[\w-][\w.-]*$/.test(name) && (!name.includes('.') || name.endsWith('.conf'));
}
