/**
 * Can `method` be used only behind a public key? `values` are those of AuthenticationMethods: alternatives, each a list
 * of methods that are all needed (`publickey,password publickey,keyboard-interactive:pam`). `any`, the default, asks
 * for nothing; with anything else, a method that no alternative names is refused.
 */
export function onlyBehindKey(values: readonly string[], method: string): boolean {
  const alternatives = values.flatMap((value) => value.toLowerCase().split(/\s+/)).filter((value) => value !== '');
  if (alternatives.length === 0 || alternatives.includes('any')) return false;
  return alternatives.every((alternative) => {
    const methods = new Set(alternative.split(',').map((each) => each.replace(/:.*$/, '')));
    return !methods.has(method) || methods.has('publickey');
  });
}
