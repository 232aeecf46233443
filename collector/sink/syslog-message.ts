import { safe } from '../../api/safe.ts';

/*
 * RFC 5424, section 6:  <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG
 * Header fields are printable ASCII without spaces, of limited length, `-` where there is nothing to say.
 */

/** Codes of the facilities that can be chosen (RFC 5424, table 1). */
export const FACILITIES = Object.freeze({
  user: 1,
  daemon: 3,
  auth: 4,
  authpriv: 10,
  audit: 13,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
});

/** The name of a facility. */
export type Facility = keyof typeof FACILITIES;

/** One message. Any text is allowed anywhere: what the format does not take is replaced. */
export interface SyslogMessage {
  readonly facility: Facility;
  /** 0 … 7 (RFC 5424, table 2). */
  readonly severity: number;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly hostname: string;
  readonly appName: string;
  readonly procId: string;
  readonly msgId: string;
  /** Names are ours: printable ASCII without `=`, `]`, `"` and spaces, at most 32 characters. */
  readonly element: { readonly id: string; readonly parameters: Readonly<Record<string, string>> };
  readonly text: string;
}

/** Longest header fields, in characters (RFC 5424, section 6). */
const LIMITS = Object.freeze({ hostname: 255, appName: 48, procId: 128, msgId: 32 });
/** Bytes of a value. A longer one is cut: the event itself has it whole. */
const MAX_VALUE = 200;
/** Printable ASCII without quote, backslash and bracket: nearly every value, which then needs no escapes. */
const PLAIN_VALUE = /^[ !#-[^-~]*$/;

/** A message, without a byte-order mark, which receivers would leave in the text. */
export function formatMessage(message: SyslogMessage): string {
  const { facility, severity, atMs, hostname, appName, procId, msgId, element, text } = message;
  const header = [
    `<${String(FACILITIES[facility] * 8 + severity)}>1`,
    timestamp(atMs),
    hostField(hostname),
    printable(appName, LIMITS.appName),
    printable(procId, LIMITS.procId),
    printable(msgId, LIMITS.msgId),
  ];
  const parameters = Object.entries(element.parameters).map(([name, value]) => ` ${name}="${parameterValue(value)}"`);
  return `${header.join(' ')} [${element.id}${parameters.join('')}] ${text}`;
}

/**
 * How a receiver finds the end of a message: its length in bytes before it (RFC 6587, section 3.4.1; RFC 5425, section
 * 4.3), a line feed after it (RFC 6587, section 3.4.2), or a datagram for each (RFC 5426, section 3.1).
 */
export type Framing = 'octet-counting' | 'newline' | 'datagram';

/** A message as it is sent, in UTF-8. The text of a message never has a line feed: JSON escapes it. */
export function frameOf(message: string, framing: Framing = 'octet-counting'): Buffer {
  if (framing === 'datagram') return Buffer.from(message);
  return Buffer.from(framing === 'newline' ? `${message}\n` : `${String(Buffer.byteLength(message))} ${message}`);
}

/** RFC 3339 with milliseconds, in UTC; the format has years of four digits only. */
function timestamp(atMs: number): string {
  const date = new Date(atMs);
  const text = Number.isNaN(date.getTime()) ? '' : date.toISOString();
  return /^\d{4}-/.test(text) ? text : '-';
}

/** PRINTUSASCII: 33 … 126. */
function printable(text: string, limit: number): string {
  return text.slice(0, limit).replace(/[^!-~]/g, '_') || '-';
}

/** Characters of a name or IPv4 address only: syslog-ng does not parse a message whose HOSTNAME has a colon or bracket. */
function hostField(name: string): string {
  return printable(name.replace(/[^\w.-]/g, '_'), LIMITS.hostname);
}

/** PARAM-VALUE: UTF-8, what is not safe to show as a visible escape; quote, backslash and bracket as the RFC has it. */
function parameterValue(value: string): string {
  if (value.length <= MAX_VALUE && PLAIN_VALUE.test(value)) return value;
  let [kept, bytes] = ['', 0];
  for (const character of value) {
    const shown = safe(character).replace(/["\\\]]/g, '\\$&');
    bytes += Buffer.byteLength(shown);
    if (bytes > MAX_VALUE) break;
    kept += shown;
  }
  return kept;
}
