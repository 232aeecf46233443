import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';

/** The certificate of a receiver of syslog, and whom it lets in. Without it: plain TCP. */
export interface ReceiverTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Name in the certificate of the one peer that is let in. Absent: senders need no certificate. */
  readonly permittedPeer?: string;
}

/** With the TLS library of rsyslogd: `gtls` (GnuTLS) or `ossl` (OpenSSL). */
export interface RsyslogTls extends ReceiverTls {
  readonly driver: 'gtls' | 'ossl';
}

/** A message in the parts that the receiver found. */
export interface SyslogFields {
  readonly hostname: string;
  readonly appName: string;
  readonly procId: string;
  readonly msgId: string;
  readonly priority: string;
  readonly timestamp: string;
  readonly structuredData: string;
  readonly text: string;
}

/** A real rsyslogd or syslog-ng, without privileges of its own, in a directory of the test. */
export interface SyslogDaemon {
  readonly port: number;
  /** The messages that it has written, as they came. */
  readonly raw: () => readonly Buffer[];
  /** The same messages in the parts that its parser found. */
  readonly fields: () => readonly SyslogFields[];
  /** Ends it: in good order, or with SIGKILL. */
  readonly stop: (signal?: 'SIGTERM' | 'SIGKILL') => Promise<void>;
  /** Starts it again, on the same port. */
  readonly start: () => Promise<void>;
}

/** The program, or the reason for `t.skip`. */
export function findRsyslogd(
  driver?: RsyslogTls['driver'],
): { readonly program: string } | { readonly reason: string } {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin'];
  const program = folders.map((folder) => join(folder, 'rsyslogd')).find(existsSync);
  if (program === undefined) return { reason: 'no rsyslogd' };
  const modules = ['/usr/lib/rsyslog', '/usr/lib64/rsyslog', '/lib/rsyslog'];
  for (const triplet of ['x86_64-linux-gnu', 'aarch64-linux-gnu']) modules.push(`/usr/lib/${triplet}/rsyslog`);
  const has = (name: string): boolean => modules.some((folder) => existsSync(join(folder, name)));
  return driver === undefined || has(`lmnsd_${driver}.so`) ? { program } : { reason: `rsyslogd without ${driver}` };
}

/** How long a daemon may take to listen, and to end. */
const DEADLINE_MS = 15_000;
const STEP_MS = 10;

/** Starts rsyslogd in `directory`; the caller stops it. Started again, it also listens on UDP. */
export async function startRsyslog(program: string, directory: string, tls?: RsyslogTls): Promise<SyslogDaemon> {
  const path = (name: string): string => join(directory, name);
  const portOf = (): number => (existsSync(path('port')) ? Number(readFileSync(path('port'), 'utf8')) : 0);
  let port = 0;
  const spawnDaemon = (): ChildProcess => {
    rmSync(path('port'), { force: true });
    rmSync(path('pid'), { force: true });
    writeFileSync(path('rsyslog.conf'), configOf(directory, port, tls));
    // Standard error has whom it refused: expected, and written to own.log too.
    return spawn(program, ['-n', '-f', path('rsyslog.conf'), '-i', path('pid')], { stdio: 'ignore' });
  };
  // It writes the port down only if it has chosen it itself.
  const isReady = (): boolean | Promise<boolean> => (port === 0 ? portOf() > 0 : listens(port));
  const daemon = await startSyslogDaemon(directory, spawnDaemon, isReady);
  port = portOf();
  return { ...daemon, port };
}

/** Starts a daemon that writes `raw.log` and `fields.log` to `directory`, and waits until it is ready. */
export async function startSyslogDaemon(
  directory: string,
  spawnDaemon: () => ChildProcess,
  isReady: () => boolean | Promise<boolean>,
): Promise<Omit<SyslogDaemon, 'port'>> {
  let running: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const child = spawnDaemon();
    running = child;
    await until(() => {
      if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${String(child.exitCode)}`);
      return isReady();
    });
  };
  await start();
  const lines = (name: string): readonly Buffer[] => {
    const path = join(directory, name);
    return existsSync(path) ? linesOf(readFileSync(path)) : [];
  };
  return {
    raw: () => lines('raw.log'),
    fields: () => lines('fields.log').map(fieldsOf),
    stop: async (signal = 'SIGTERM') => {
      const child = running;
      running = undefined;
      if (child === undefined || child.exitCode !== null) return;
      const exited = once(child, 'exit', { signal: AbortSignal.timeout(DEADLINE_MS) });
      child.kill(signal);
      await exited.catch(() => child.kill('SIGKILL'));
    },
    start,
  };
}

/**
 * Every message is written before the next is read (`Direct`, no buffer in omfile), so that a killed rsyslogd has lost
 * what it had not read, or had just read: what a sender can be held to.
 */
function configOf(directory: string, port: number, tls: RsyslogTls | undefined): string {
  const quote = (text: string): string => JSON.stringify(text);
  const files =
    tls === undefined
      ? ''
      : ` defaultNetstreamDriver=${quote(tls.driver)} defaultNetstreamDriverCAFile=${quote(tls.ca)}` +
        ` defaultNetstreamDriverCertFile=${quote(tls.cert)} defaultNetstreamDriverKeyFile=${quote(tls.key)}`;
  const stream =
    tls === undefined
      ? ''
      : ` streamDriver.name=${quote(tls.driver)} streamDriver.mode="1"` +
        (tls.permittedPeer === undefined
          ? ' streamDriver.authMode="anon"'
          : ` streamDriver.authMode="x509/name" permittedPeer=[${quote(tls.permittedPeer)}]`);
  const fields =
    '%hostname%\\t%app-name%\\t%procid%\\t%msgid%\\t%pri%\\t%timestamp:::date-rfc3339%\\t%structured-data%\\t%msg%\\n';
  const action = (name: string): string =>
    `  action(type="omfile" file=${quote(join(directory, `${name}.log`))} template="${name}" asyncWriting="off" flushOnTXEnd="on")`;
  return [
    `global(workDirectory=${quote(directory)}${files})`,
    `module(load="imtcp"${stream})`,
    ...(port === 0 ? [] : ['module(load="imudp")']),
    'main_queue(queue.type="Direct")',
    `template(name="raw" type="string" string="%rawmsg%\\n")`,
    `template(name="fields" type="string" string="${fields}")`,
    'ruleset(name="plimsoll") {',
    action('raw'),
    action('fields'),
    '}',
    `input(type="imtcp" address="127.0.0.1" port="${String(port)}" ruleset="plimsoll" listenPortFileName=${quote(join(directory, 'port'))})`,
    ...(port === 0 ? [] : [`input(type="imudp" address="127.0.0.1" port="${String(port)}" ruleset="plimsoll")`]),
    `if $syslogtag contains "rsyslogd" then ${action('own').trim().replace('template="own"', 'template="raw"')}`,
    '',
  ].join('\n');
}

function linesOf(content: Buffer): readonly Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0, end = content.indexOf(0x0a); end !== -1; from = end + 1, end = content.indexOf(0x0a, from))
    lines.push(content.subarray(from, end));
  return lines;
}

function fieldsOf(line: Buffer): SyslogFields {
  const [
    hostname = '',
    appName = '',
    procId = '',
    msgId = '',
    priority = '',
    timestamp = '',
    structuredData = '',
    ...rest
  ] = line.toString().split('\t');
  return { hostname, appName, procId, msgId, priority, timestamp, structuredData, text: rest.join('\t') };
}

/** Does a program of this machine listen on the TCP port? */
export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Waits until `isSo`, looking again and again. */
export async function until(isSo: () => boolean | Promise<boolean>, deadlineMs = DEADLINE_MS): Promise<void> {
  for (const startMs = performance.now(); !(await isSo());) {
    if (performance.now() - startMs > deadlineMs) throw new Error(`not within ${String(deadlineMs)} ms`);
    await new Promise((resolve) => setTimeout(resolve, STEP_MS));
  }
}
