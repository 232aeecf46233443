import { parseSshdLine } from './sshd-config.ts';
import type { Directive } from './sshd-config.ts';

/** What a command line of sshd says about its configuration. */
export interface SshdOptions {
  /** `-f`; the default of OpenSSH without. Where it is not absolute, it is not known which file that is. */
  readonly configPath: string;
  /** Lines of `-o`, and of options that mean the same, in order: they come before the file, so they win. */
  readonly options: readonly Omit<Directive, 'line'>[];
}

/** Where sshd looks without `-f`. */
export const DEFAULT_CONFIG = '/etc/ssh/sshd_config';
/** What sshd of openSUSE and SLES reads where that file does not exist. */
export const VENDOR_CONFIG = '/usr/etc/ssh/sshd_config';

/** A title in place of the arguments: the name that sshd was started by, which may be that of a link to it. */
const TITLE = /^[^/\s]{1,255}: /;

/** Is it the command line of an sshd that listens, rather than one that serves a connection (`sshd: deploy [priv]`)? */
export function isListener(strings: readonly string[]): boolean {
  const [first = '', ...args] = strings;
  if (TITLE.test(first)) return first.includes('[listener]');
  // With -i it serves the connection that systemd or inetd accepted.
  return first !== '' && !args.some((arg) => /^-[46DGQRTdeqrtV]{0,16}i/.test(arg));
}

/**
 * Options on the command line of a listening sshd, sshd(8). Since OpenSSH 8.2 the process shows a title in place of its
 * arguments: `sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups`. Quotes are lost there.
 */
export function parseSshdCommandLine(strings: readonly string[]): SshdOptions {
  const [first = ''] = strings;
  const title = /^[^/\s]{1,255}: (.*?) ?\[listener\]/s.exec(first)?.[1];
  // sshd has no arguments but options, so what follows one in a title belongs to its value.
  const args = (title === undefined ? strings : title.split(/ (?=-)/)).slice(1);
  let configPath = DEFAULT_CONFIG;
  const options: Omit<Directive, 'line'>[] = [];
  const add = (keyword: string, value: string): void => {
    options.push({ keyword, args: [value], rest: value });
  };
  for (let index = 0; index < args.length; index += 1) {
    const arg = args[index] ?? '';
    if (arg === '--' || !arg.startsWith('-')) break;
    // Letters that take a value, from `sshd.c`: what follows the letter, or the next word.
    const position = arg.search(/[CEbcfghkopu]/);
    const flags = position === -1 ? arg : arg.slice(0, position);
    if (flags.includes('q')) add('loglevel', 'QUIET');
    if (flags.includes('d')) add('loglevel', 'DEBUG');
    if (position === -1) continue;
    let value = arg.slice(position + 1).trimStart();
    if (value === '') {
      index += 1;
      value = args[index] ?? '';
    }
    const letter = arg.charAt(position);
    if (letter === 'f') configPath = value;
    else if (letter === 'p') add('port', value);
    else if (letter === 'g') add('logingracetime', value);
    else if (letter === 'h') add('hostkey', value);
    else if (letter === 'o') {
      const line = parseSshdLine(value, 'words');
      if (line !== undefined && !('problem' in line)) options.push(line);
    }
  }
  return { configPath, options };
}
