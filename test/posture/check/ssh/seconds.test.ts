import * as fc from 'fast-check';
import t from 'tap';
import { secondsOf } from '../../../../posture/check/ssh/seconds.ts';

// The examples of sshd_config(5), section TIME FORMATS, and what its grammar gives.
const TIMES: readonly (readonly [text: string, seconds: number | undefined])[] = [
  ['600', 600],
  ['10m', 600],
  ['1h30m', 5400],
  ['0', 0],
  ['2H', 7200],
  ['1w1d', 8 * 86_400],
  ['30s', 30],
  ['', undefined],
  ['m', undefined],
  ['-5', undefined],
  ['1.5h', undefined],
  ['5 m', undefined],
  ['5y', undefined],
  ['none', undefined],
];
for (const [text, seconds] of TIMES) t.equal(secondsOf(text), seconds, JSON.stringify(text));

fc.assert(
  fc.property(fc.string(), (text) => {
    const seconds = secondsOf(text);
    return seconds === undefined || (Number.isFinite(seconds) && seconds >= 0);
  }),
);
fc.assert(
  fc.property(fc.nat({ max: 99_999 }), fc.nat({ max: 99_999 }), (hours, minutes) => {
    return secondsOf(`${String(hours)}h${String(minutes)}m`) === hours * 3600 + minutes * 60;
  }),
);
t.pass('no text makes it throw');
