import type { Severity, Verdict } from '../../posture/verdict.ts';

/** Puts colour and weight on text; every function returns the text unchanged where colour is off. */
export interface Paint {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly severity: (severity: Severity, text: string) => string;
  readonly verdict: (verdict: Verdict, text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** SGR parameters (ECMA-48, 8.3.117): the eight colours that every terminal theme defines, no others. */
const SEVERITY_CODES = Object.freeze({
  critical: '1;37;41',
  high: '1;31',
  medium: '33',
  low: '36',
  info: '2',
} satisfies Record<Severity, string>);

const VERDICT_CODES = Object.freeze({
  pass: '32',
  fail: '31',
  notApplicable: '2',
  unknown: '35',
  manual: '34',
} satisfies Record<Verdict, string>);

/** What decides about colour. */
export interface PaintOptions {
  /** The setting `color`, which already honours NO_COLOR. */
  readonly color: 'auto' | 'always' | 'never';
  readonly isTerminal: boolean;
  /** TERM; `dumb` takes no escape sequences. */
  readonly terminal: string | undefined;
}

/** The paint for one output. */
export function createPaint({ color, isTerminal, terminal }: PaintOptions): Paint {
  const on = color === 'always' || (color === 'auto' && isTerminal && terminal !== 'dumb');
  const sgr = (code: string, text: string): string => (on && text !== '' ? `\u001b[${code}m${text}\u001b[0m` : text);
  return {
    bold: (text) => sgr('1', text),
    dim: (text) => sgr('2', text),
    severity: (severity, text) => sgr(SEVERITY_CODES[severity], text),
    verdict: (verdict, text) => sgr(VERDICT_CODES[verdict], text),
    good: (text) => sgr('32', text),
    bad: (text) => sgr('31', text),
  };
}
