/**
 * Does the entry name this node only (`localhost:5000`, `127.0.0.0/8`, `::1/128`)? dockerd itself always trusts these
 * without TLS. A shorter prefix than 8 reaches beyond loopback.
 */
export function isLoopbackRegistry(entry: string): boolean {
  if (/^(localhost|::1(\/128)?|\[::1\])(:\d+)?$/.test(entry)) return true;
  const address = /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:\/(?<prefix>\d{1,2}))?(?::\d+)?$/.exec(entry);
  return address !== null && Number(address.groups?.['prefix'] ?? 32) >= 8;
}
