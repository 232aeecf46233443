/** TCP ports by the name of the service, services(5): `ssh 22/tcp alias …`. The first line of a name counts. */
export function parseServices(text: string): ReadonlyMap<string, number> {
  const ports = new Map<string, number>();
  for (const line of text.split('\n')) {
    const [name, port = '', ...aliases] = (line.split('#', 1)[0] ?? '').trim().split(/\s+/);
    const [, digits] = /^(\d{1,5})\/tcp$/.exec(port) ?? [];
    if (name === undefined || digits === undefined) continue;
    for (const each of [name, ...aliases]) if (!ports.has(each)) ports.set(each, Number(digits));
  }
  return ports;
}
