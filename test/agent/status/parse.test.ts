import fc from 'fast-check';
import t from 'tap';
import { parseLoad, parsePressure, parseUptime } from '../../../agent/status/parse.ts';

t.test('loads, as proc_loadavg(5) shows them', (t) => {
  t.same(parseLoad('0.20 0.18 0.12 1/80 11206\n'), { oneMinute: 0.2, fiveMinutes: 0.18, fifteenMinutes: 0.12 });
  t.same(parseLoad('1284.07 900.00 3.10 12/70000 4194303\n')?.oneMinute, 1284.07);
  for (const text of ['', '0.20 0.18', '-1.00 0.18 0.12 1/80 1', 'NaN NaN NaN 1/80 1', '0,20 0,18 0,12 1/80 1'])
    t.equal(parseLoad(text), undefined, text);
  t.end();
});

t.test('uptime, as proc_uptime(5) shows it', (t) => {
  t.equal(parseUptime('350735.47 234388.90\n'), 350_735);
  t.equal(parseUptime('0.01 0.00\n'), 0);
  for (const text of ['', '350735', '9999999999999999.00 1.00', 'x 1.00']) t.equal(parseUptime(text), undefined, text);
  t.end();
});

// Documentation/accounting/psi.rst of Linux; `full` of the CPU is there since 5.13.
const SOME = 'some avg10=0.00 avg60=12.34 avg300=100.00 total=99999999\n';
const FULL = 'full avg10=1.00 avg60=2.00 avg300=3.00 total=5\n';

t.test('pressure', (t) => {
  const some = { avg10: 0, avg60: 12.34, avg300: 100 };
  t.same(parsePressure(SOME + FULL), { some, full: { avg10: 1, avg60: 2, avg300: 3 } });
  t.same(parsePressure(SOME), { some, full: null });
  for (const text of ['', FULL, 'some avg10=0.00\n', `x${SOME}`]) t.equal(parsePressure(text), undefined, text);
  t.end();
});

t.test('no text makes a parser throw', (t) => {
  const text = fc.oneof(
    fc.string(),
    fc.string().map((noise) => SOME.slice(0, noise.length) + noise),
  );
  fc.assert(fc.property(text, (text) => void [parseLoad(text), parseUptime(text), parsePressure(text)]));
  t.end();
});
