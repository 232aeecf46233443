import t from 'tap';
import { isoTime, quote, quoteList } from '../../../posture/check/evidence-text.ts';

t.equal(isoTime(0), '1970-01-01T00:00:00Z');
t.equal(isoTime(Date.UTC(2026, 10, 25, 11, 2, 3, 999)), '2026-11-25T11:02:03Z');
// The latest time of ECMA-262 is 8.64e15 ms; certificates and clocks of others may say anything.
t.equal(isoTime(9e15), '9000000000000000 ms', 'no date is no crash');

t.equal(quote('short'), 'short');
t.equal(quote('x'.repeat(400)).length, 400);
t.equal(quote('x'.repeat(401)), `${'x'.repeat(400)}…`);

t.equal(quoteList([]), 'none');
t.equal(quoteList(['']), 'none');
t.equal(quoteList(['a', 'b']), 'a, b');
t.equal(quoteList(Array.from({ length: 1000 }, () => 'registry')).length, 401);
