/** What a `WWW-Authenticate` header asks for (RFC 9110 section 11.6.1). Names in lower case. */
export interface AuthChallenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_HEADER = 8 * 1024;
const MAX_CHALLENGES = 8;

/**
 * The challenges of a `WWW-Authenticate` header, in order: `Bearer realm="…",service="…", Basic realm="…"`. Stops at
 * what it does not understand. Linear in the length; at most 8 challenges of the first 8 KiB.
 */
export function parseChallenges(header: string): readonly AuthChallenge[] {
  const challenges: { readonly scheme: string; readonly parameters: Map<string, string> }[] = [];
  const text = header.slice(0, MAX_HEADER);
  // A parameter (token or quoted string), or the name of a scheme, each with the separators before it.
  const item =
    /[\s,]*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))|([\w!#$%&'*+.^`|~-]+)(?=[\s,]|$))/y;
  for (let match = item.exec(text); match !== null; match = item.exec(text)) {
    const [, name, quoted, plain, scheme] = match;
    if (scheme !== undefined) {
      if (challenges.length === MAX_CHALLENGES) break;
      challenges.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    } else if (name !== undefined) {
      const parameters = challenges.at(-1)?.parameters;
      if (parameters === undefined) break;
      if (!parameters.has(name.toLowerCase()))
        parameters.set(name.toLowerCase(), quoted === undefined ? (plain ?? '') : quoted.replaceAll(/\\(.)/gs, '$1'));
    }
  }
  return challenges;
}
