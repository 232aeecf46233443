import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { advisory } from '../fixture/vulnerability-data.ts';
import { plimsoll, temporaryDirectory } from './process.ts';

const RECORD = advisory('GHSA-1', { ecosystem: 'npm', name: 'a' }, [[{ introduced: '0' }, { fixed: '1.0.0' }]]);

void t.test('plimsoll vulndb', async (t) => {
  const directory = temporaryDirectory(t);
  const records = join(directory, 'a.ndjson');
  const built = join(directory, 'built.sqlite');
  const place = join(directory, 'data', 'vulndb.sqlite');
  writeFileSync(records, `${JSON.stringify(RECORD)}\n`);
  const where = ['--data-dir', join(directory, 'data')];
  const old = { SOURCE_DATE_EPOCH: '1700000000' };

  const missing = await plimsoll(['vulndb', 'status', ...where]);
  t.equal(missing.code, 3);
  t.match(missing.stderr, /no vulnerability database\n.*plimsoll vulndb/s);

  const first = await plimsoll(['vulndb', 'build', '--from', records, '--output', built]);
  t.equal(first.code, 0, first.stderr);
  const sha256 = createHash('sha256').update(readFileSync(built)).digest('hex');
  t.match(first.stdout, `sha256 ${sha256}`);
  t.equal(readFileSync(`${built}.sha256`, 'utf8'), `${sha256}  built.sqlite\n`);
  t.equal(first.stdout.includes('1 advisories'), true);

  const update = await plimsoll(['vulndb', 'update', '--from', built, ...where]);
  t.equal(update.code, 0, update.stderr);
  t.ok(readFileSync(place).equals(readFileSync(built)));
  const status = await plimsoll(['vulndb', 'status', '-o', 'json', ...where]);
  t.equal(status.code, 0, status.stderr);
  t.match(JSON.parse(status.stdout), {
    file: place,
    advisories: 1,
    isTooOld: false,
    ecosystems: [{ name: 'npm', advisories: 1, entries: 1 }],
  });

  // The same input and SOURCE_DATE_EPOCH, the same file.
  const again = join(directory, 'again.sqlite');
  const other = join(directory, 'other.sqlite');
  await plimsoll(['vulndb', 'build', records, '--output', again], old);
  await plimsoll(['vulndb', 'build', '--from', records, '--output', other], old);
  t.ok(readFileSync(again).equals(readFileSync(other)));
  const older = await plimsoll(['vulndb', 'update', '--from', again, ...where]);
  t.equal(older.code, 2);
  t.match(older.stderr, /--allow-older accepts it\n.*stays in place/s);
  t.equal((await plimsoll(['vulndb', 'update', '--from', again, '--allow-older', ...where])).code, 0);
  const tooOld = await plimsoll(['vulndb', 'status', ...where]);
  t.equal(tooOld.code, 3);
  t.match(tooOld.stdout, /built +2023-11-14 .*\(too old\)/);
  t.match(tooOld.stderr, 'older than 5 days');
  t.equal((await plimsoll(['vulndb', 'status', '--max-age', '3650d', ...where])).code, 0);
  t.equal((await plimsoll(['vulndb', 'status', '--vulndb-max-age', '3650d', ...where])).code, 0);
});

void t.test('damaged records and wrong usage', async (t) => {
  const directory = temporaryDirectory(t);
  const records = join(directory, 'a.ndjson');
  const output = join(directory, 'x.sqlite');
  writeFileSync(records, `${JSON.stringify(RECORD)}\n{"id":"\u001b[31m"}\n`);
  const many = await plimsoll(['vulndb', 'build', '--from', records, '--output', output]);
  t.equal(many.code, 1, 'half of the records are damaged');
  t.match(many.stderr, 'left out: a.ndjson:2: ');
  t.notMatch(many.stderr, '\u001b');
  writeFileSync(records, `${`${JSON.stringify(RECORD)}\n`.repeat(200)}{"id":7}\n`);
  t.equal((await plimsoll(['vulndb', 'build', '--from', records, '--output', output])).code, 0);
  t.equal((await plimsoll(['vulndb', 'build', '--strict', '--from', records, '--output', output])).code, 1);
  for (const [args, problem] of [
    [['vulndb', 'build'], 'build needs --from'],
    [['vulndb', 'bild', '--from', records], 'does not know "bild"'],
    [['vulndb', 'update'], 'update needs --from'],
    [['vulndb', 'update', '--from', records, '--sha256', 'abc'], '64 hexadecimal digits'],
    [['vulndb', 'update', '--from', 'http://localhost/x'], 'not protected'],
    [['vulndb', 'status', '--strict'], '--strict is for: plimsoll vulndb build'],
    [['vulndb', 'status', '-o', 'xml'], 'is not one of: table, json'],
    [['vulndb', 'status', 'more'], 'does not take "more"'],
    [['vulndb', 'status', '--max-age', 'soon'], 'is not a duration'],
  ] as const) {
    const run = await plimsoll([...args, '--data-dir', directory]);
    t.equal(run.code, 2, args.join(' '));
    t.match(run.stderr, problem);
  }
});
