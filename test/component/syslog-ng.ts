import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ROOT } from '../../scripts/setup.mjs';
import { freePort } from '../fixture/free-port.ts';
import { listens, startSyslogDaemon } from './rsyslog.ts';
import type { ReceiverTls, SyslogDaemon } from './rsyslog.ts';

/** Where `scripts/components.mjs` unpacks its Debian package. */
const UNPACKED = join(ROOT, '.tap', 'components', 'syslog-ng', 'usr');

/** The program, or the reason for `t.skip`. */
export function findSyslogNg(): { readonly program: string } | { readonly reason: string } {
  const folders = [join(UNPACKED, 'sbin'), ...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const program = folders.map((folder) => join(folder, 'syslog-ng')).find(existsSync);
  return program === undefined ? { reason: 'no syslog-ng' } : { program };
}

/** How its port reads messages. Absent: octet counting, without TLS. */
export interface SyslogNgOptions {
  readonly framing?: 'newline';
  readonly tls?: ReceiverTls;
}

/** Starts syslog-ng in `directory`, with TCP and UDP on one port; the caller stops it. */
export async function startSyslogNg(
  program: string,
  directory: string,
  options: SyslogNgOptions = {},
): Promise<SyslogDaemon> {
  const path = (name: string): string => join(directory, name);
  const port = await freePort();
  writeFileSync(path('syslog-ng.conf'), configOf(directory, port, options));
  const files = ['-f', path('syslog-ng.conf'), '-R', path('persist'), '-c', path('control'), '-p', path('pid')];
  const { modules, environment } = program.startsWith(UNPACKED) ? unpackedParts() : { modules: [], environment: {} };
  const daemon = await startSyslogDaemon(
    directory,
    // Standard error has whom it refused.
    () =>
      spawn(program, ['-F', '--no-caps', ...modules, ...files], {
        env: { ...process.env, ...environment },
        stdio: 'ignore',
      }),
    () => listens(port),
  );
  return { ...daemon, port };
}

/** The paths below `/usr` that an unpacked program has to be given: it looks for them where its package installs them. */
function unpackedParts() {
  const libraries = join(UNPACKED, 'lib', 'syslog-ng');
  const version = readdirSync(libraries).find((name) => /^\d+\.\d+$/.test(name)) ?? '';
  return { modules: [`--module-path=${join(libraries, version)}`], environment: { LD_LIBRARY_PATH: libraries } };
}

/** As `docs/sinks/syslog.md` has it. Flow control bounds what a killed one has read but not written: 100 messages by default. */
function configOf(directory: string, port: number, { framing, tls }: SyslogNgOptions): string {
  const quote = (text: string): string => JSON.stringify(text);
  const at = `ip("127.0.0.1") port(${String(port)}) log-msg-size(65536)`;
  const secure =
    tls === undefined
      ? ''
      : ` tls(ca-file(${quote(tls.ca)}) cert-file(${quote(tls.cert)}) key-file(${quote(tls.key)})` +
        (tls.permittedPeer === undefined
          ? ' peer-verify(optional-untrusted))'
          : ` peer-verify(required-trusted) trusted-dn(${quote(`CN=${tls.permittedPeer}`)}))`);
  const transport = `transport("${tls === undefined ? 'tcp' : 'tls'}")`;
  const tcp =
    framing === 'newline'
      ? `network(${transport} ${at} flags(syslog-protocol, store-raw-message)${secure});`
      : `syslog(${transport} ${at} flags(store-raw-message)${secure});`;
  const udp = `syslog(transport("udp") ip("127.0.0.1") port(${String(port)}) flags(store-raw-message));`;
  const fields = ['HOST', 'PROGRAM', 'PID', 'MSGID', 'PRI', 'ISODATE', 'SDATA', 'MESSAGE'].map((name) => `\${${name}}`);
  const file = (name: string, template: string): string =>
    `destination ${name} { file(${quote(join(directory, `${name}.log`))} template("${template}\\n") flush-lines(1)); };`;
  return [
    '@version: current',
    'options { keep-hostname(yes); keep-timestamp(yes); frac-digits(3); stats(level(0)); };',
    `source in { ${tcp} ${udp} };`,
    file('raw', '${RAWMSG}'),
    file('fields', fields.join('\\t')),
    'log { source(in); destination(raw); destination(fields); flags(flow-control); };',
    '',
  ].join('\n');
}
