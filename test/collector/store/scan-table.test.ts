import { DatabaseSync } from 'node:sqlite';
import t from 'tap';
import { prepareImageClaims } from '../../../collector/store/image-claims.ts';
import { prepareScanTable } from '../../../collector/store/scan-table.ts';
import { migrate, MIGRATIONS } from '../../../collector/store/schema.ts';
import { layers, whole } from './image-rows.ts';

await t.test('what goes first where there are too many scans, or too many bytes', (t) => {
  const db = new DatabaseSync(':memory:');
  t.teardown(() => db.close());
  migrate(db, MIGRATIONS);
  const scans = prepareScanTable(db, { scans: 4, bytes: 100 });
  const put = (id: string, atMs: number, bytes = 1): void =>
    scans.put({ id: `sha256:${id}`, manifest: `sha256:${id}m`, inventory: '', atMs }, new Uint8Array(bytes));
  const ids = (): readonly string[] =>
    scans
      .all()
      .map(({ id }) => id.slice('sha256:'.length))
      .sort();
  // One is called by its configuration, one by its manifest, as Docker with the image store of containerd does it.
  prepareImageClaims(db).put('n1', [layers('sha256:a'), layers('sha256:bm')], whole);
  for (const [at, id] of 'abcdef'.split('').entries()) put(id, at);
  t.strictSame(ids(), ['a', 'b', 'e', 'f'], 'images that nodes have stay, and the newest of the others');
  put('g', 10, 99);
  t.strictSame(ids(), ['a', 'b'], 'one that does not fit takes the place of none that a node has');
  put('b', 11, 99);
  t.strictSame(ids(), ['a', 'b'], 'all that is kept has 100 bytes');
  put('h', 12);
  t.strictSame(ids(), ['a', 'b']);
  put('a', 13, 2);
  t.strictSame(ids(), ['a'], 'the older of two goes');
  t.end();
});
