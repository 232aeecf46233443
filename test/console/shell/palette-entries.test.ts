import t from 'tap';
import { matchingEntries } from '../../../console/shell/palette-entries.ts';
import type { PaletteEntry } from '../../../console/shell/palette-entries.ts';

const entry = (kind: string, name: string, detail = ''): PaletteEntry => ({
  kind,
  name,
  detail,
  hash: `${kind} ${name}`,
});

void t.test('each word is somewhere; names that begin with it come first', async (t) => {
  const entries = [
    entry('check', 'container.privileged', 'No container runs privileged'),
    entry('container', 'web-db', 'on this-machine'),
    entry('node', 'db-1'),
    entry('view', 'Checks'),
  ];
  const names = (text: string): readonly string[] => matchingEntries(entries, text).map(({ name }) => name);
  t.strictSame(names('db'), ['db-1', 'web-db']);
  t.strictSame(names('PRIVILEGED container'), ['container.privileged']);
  t.strictSame(names('machine db'), ['web-db']);
  t.strictSame(names('nothing'), []);
  t.equal(names('').length, 4);
  const many = Array.from({ length: 100_000 }, (_, index) => entry('node', `n${String(index)}`));
  t.equal(matchingEntries(many, 'n').length, 12, 'bounded');
});
