/**
 * Name and version of the distribution from os-release(5): lines `KEY=value`, the value perhaps in single or double
 * quotes with backslash escapes. `Debian GNU/Linux 13`; empty where it does not say.
 */
export function operatingSystem(text: string): string {
  const values = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line.trim());
    if (match !== null) values.set(match[1] ?? '', unquote(match[2] ?? ''));
  }
  // Without NAME the specification says Linux; rolling distributions have no VERSION_ID.
  const name = values.get('NAME') ?? (values.size > 0 ? 'Linux' : '');
  return [name, values.get('VERSION_ID') ?? ''].join(' ').trim().slice(0, 256);
}

function unquote(value: string): string {
  const quote = value[0];
  if (quote !== '"' && quote !== "'") return value;
  const end = value.lastIndexOf(quote);
  const inside = end > 0 ? value.slice(1, end) : value.slice(1);
  return quote === '"' ? inside.replaceAll(/\\(["$`\\])/g, '$1') : inside;
}
