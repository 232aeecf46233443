import t from 'tap';
import { createProgressLine, describeRun } from '../../cli/progress-line.ts';
import { createFakeClock } from '../service/fake-clock.ts';

function lineOn(isTerminal: boolean) {
  const clock = createFakeClock();
  const written: string[] = [];
  const stderr = { isTerminal, write: (text: string) => Promise.resolve(void written.push(text)) };
  return { clock, written, line: createProgressLine({ stderr, clock }, describeRun) };
}

void t.test('one line that is overwritten, at most ten times a second, and removed', async (t) => {
  const { clock, written, line } = lineOn(true);
  line.show({ stage: 'layers', layers: 1, ofLayers: 3 });
  line.show({ stage: 'layers', layers: 2, ofLayers: 3 });
  await clock.advance(100);
  line.show({ stage: 'files', files: 7, packages: 2 });
  await line.clear();
  const erase = '\r\u001b[2K';
  t.strictSame(written, [`${erase}reading layers: 1 of 3`, `${erase}reading files: 7, packages: 2`, erase]);
});

void t.test('nothing without a terminal, and nothing is removed where nothing was shown', async (t) => {
  const pipe = lineOn(false);
  pipe.line.show({ stage: 'layers', layers: 1, ofLayers: 3 });
  await pipe.line.clear();
  t.strictSame(pipe.written, []);
  const silent = lineOn(true);
  await silent.line.clear();
  t.strictSame(silent.written, []);
});
