/**
 * Why keys or certificates cannot be used. Closed list.
 * absent: a file is not there · unreadable: the system refuses to read or write it · exposed: others can read the key
 * or write the directory · invalid: not what the file should hold · mismatch: key and certificate do not belong together
 * · expired: its time is over · name: no valid node id or host name
 */
export type TlsErrorCode = 'absent' | 'unreadable' | 'exposed' | 'invalid' | 'mismatch' | 'expired' | 'name';

/** Keys or certificates cannot be used; the message names the file and says what to do. */
export class TlsError extends Error {
  readonly code: TlsErrorCode;

  constructor(code: TlsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TlsError';
    this.code = code;
  }
}
