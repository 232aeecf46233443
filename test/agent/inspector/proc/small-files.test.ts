import * as fc from 'fast-check';
import t from 'tap';
import { parseNamespaceLink } from '../../../../agent/inspector/proc/node-namespaces.ts';
import { parseNullTerminated } from '../../../../agent/inspector/proc/null-terminated.ts';
import { parseTcpListeners } from '../../../../agent/inspector/proc/proc-net-tcp.ts';
import { parseUnixListeners } from '../../../../agent/inspector/proc/proc-net-unix.ts';
import { parseBootTime, parseStartTicks, startedAtMs } from '../../../../agent/inspector/proc/proc-stat.ts';
import { parseUidMap } from '../../../../agent/inspector/proc/uid-map.ts';
import { recordedText, SEED } from '../../../fixture/inspector/read.ts';

t.test('uid maps, user_namespaces(7)', (t) => {
  t.same(parseUidMap(recordedText('proc/default/uid_map')), [{ inside: 0, outside: 0, count: 4294967295 }]);
  t.same(parseUidMap('         0     100000      65536\n'), [{ inside: 0, outside: 100000, count: 65536 }]);
  t.same(parseUidMap(''), [], 'a namespace whose map was not written yet');
  t.equal(parseUidMap('0 0'), undefined);
  t.end();
});

t.test('listening TCP sockets, as `ss -ltn` showed them when the tables were recorded', (t) => {
  t.same(
    parseTcpListeners(recordedText('net/tcp')).map(({ address, port }) => `${address} ${String(port)}`),
    ['127.0.0.1 4243', '0.0.0.0 2222', '0.0.0.0 2024'],
  );
  t.same(parseTcpListeners(recordedText('net/tcp6')), [
    { address: '::1', port: 4244, inode: 102773 },
    { address: '::', port: 4245, inode: 102774 },
    { address: '::', port: 2222, inode: 103891 },
  ]);
  // 2001:db8::1:0:0:1 of RFC 5952, section 4.2.3, and an IPv4 address in IPv6.
  const table = (address: string): string =>
    `   0: ${address}:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 7 1`;
  t.equal(parseTcpListeners(table('B80D0120000000000000010001000000'))[0]?.address, '2001:db8::1:0:0:1');
  t.equal(parseTcpListeners(table('0000000000000000FFFF00000100007F'))[0]?.address, '::ffff:127.0.0.1');
  t.end();
});

t.test('listening unix sockets', (t) => {
  t.same(parseUnixListeners(recordedText('net/unix'), '/docker.sock'), [{ inode: 5435, path: '/var/run/docker.sock' }]);
  t.same(
    parseUnixListeners(recordedText('net/unix'), '/containerd.sock').map(({ inode }) => inode),
    [6256],
    'connected sockets of the same path do not listen',
  );
  t.end();
});

t.test('start of a process', (t) => {
  const line = `812 (a) b (c)) S 1 2 3 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 9127 2187325440 23970`;
  t.equal(parseStartTicks(line), 9127, 'the name may hold brackets and spaces');
  t.equal(parseStartTicks('812 (x'), undefined);
  t.equal(parseBootTime('cpu 1 2\nintr 5 0 0\nctxt 9\nbtime 1795602913\nprocesses 3\n'), 1795602913);
  t.equal(parseBootTime('cpu 1'), undefined);
  t.equal(startedAtMs(1795602913, 9127), 1795603004270);
  t.equal(startedAtMs(undefined, 9127), 0);
  t.end();
});

t.test('strings with a NUL after each', (t) => {
  t.same(parseNullTerminated('dockerd\0-H\0\0fd://\0'), ['dockerd', '-H', '', 'fd://']);
  t.same(parseNullTerminated(''), [], 'kernel threads have none');
  t.same(parseNullTerminated('sshd: x [listener]'), ['sshd: x [listener]']);
  t.end();
});

t.test('namespace links', (t) => {
  t.equal(parseNamespaceLink('net:[4026531833]'), 4026531833);
  t.equal(parseNamespaceLink('/proc/1/ns/net'), undefined);
  t.end();
});

t.test('no input makes them throw', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (noise) => {
      parseUidMap(noise);
      parseTcpListeners(`  0: ${noise}\n${noise}`);
      parseUnixListeners(noise, '');
      parseStartTicks(noise);
      parseBootTime(noise);
      parseNullTerminated(noise);
      parseNamespaceLink(noise);
    }),
    SEED,
  );
  t.end();
});
