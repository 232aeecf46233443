import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { hostConformance } from './conformance.ts';

hostConformance('linux, root /', false, (directory) =>
  Promise.resolve({ host: createLinuxHost(), at: (path) => directory + path }),
);

hostConformance('linux, root prefix', true, (directory) =>
  Promise.resolve({ host: createLinuxHost({ root: directory }), at: (path) => path }),
);

/** Rows of a table of sockets, proc_pid_net(5). */
function rowsOf(table: string): readonly { readonly port: number; readonly state: string }[] {
  return [...table.matchAll(/^ *\d+: [\dA-F]+:([\dA-F]{4}) \S+ ([\dA-F]{2}) /gm)].map(([, port = '', state = '']) => ({
    port: Number.parseInt(port, 16),
    state,
  }));
}

for (const [address, path] of [
  ['127.0.0.1', '/proc/self/net/tcp'],
  ['::1', '/proc/self/net/tcp6'],
] as const) {
  void t.test(`${path}: every socket that listens, however many connections there are`, async (t) => {
    const sockets: Socket[] = [];
    const servers = Array.from({ length: 60 }, () => createServer((socket) => sockets.push(socket)));
    t.teardown(() => {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
    });
    const ports: number[] = [];
    for (const server of servers) {
      server.listen(0, address);
      await once(server, 'listening');
      ports.push((server.address() as AddressInfo).port);
    }
    for (let count = 0; count < 400; count += 1) {
      const socket = connect(ports[0] ?? 0, address);
      sockets.push(socket);
      await once(socket, 'connect');
    }
    const isOwn = ({ port, state }: { port: number; state: string }): boolean => state === '0A' && ports.includes(port);
    const all = rowsOf(readFileSync(path, 'latin1'));
    // The connections alone are more than this bound.
    const read = await createLinuxHost().readFile(path, { maxBytes: 100 * 1024 });
    const listed = rowsOf(read.ok ? read.value.toString('latin1') : '');
    t.equal(all.filter(isOwn).length, 60);
    t.same(listed.filter(isOwn), all.filter(isOwn));
    t.same(
      listed.filter(({ state }) => state !== '0A'),
      [],
    );
  });
}
