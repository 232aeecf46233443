import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { openImageFiles } from '../../../agent/image/image-files.ts';
import type { ImageRecord } from '../../../agent/image/image-record.ts';
import { SetuidCollection } from '../../../image/inventory/setuid-collection.ts';
import { setuidFiles } from '../../../posture/check/image/setuid-files.ts';
import { seen } from '../../../posture/observed.ts';
import { encodeInventory } from '../../../proto/inventory-codec.ts';
import type { Logger } from '../../../service/log.ts';
import type { SetuidFiles } from '../../../vulnerability/package.ts';
import { factsOf, imageFact } from '../../fixture/facts.ts';
import { createFakeClock } from '../../service/fake-clock.ts';

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const ID = imageFact().id;
const SUDO: SetuidFiles = { files: [{ path: '/usr/bin/sudo', mode: 0o4755 }], gaps: [] };

async function recordOf(setuid: SetuidFiles, source: ImageRecord['source'] = 'layers'): Promise<ImageRecord> {
  return { imageId: ID, source, problem: '', inventory: await encodeInventory({ packages: [], gaps: [], setuid }) };
}
const pending: ImageRecord = { imageId: ID, source: 'container', problem: '' };
const facts = factsOf({ images: seen([imageFact()], 'images of running containers') });

function open(t: Test, path = join(t.testdir({}), 'image-files.json')) {
  const clock = createFakeClock();
  const files = openImageFiles({ path, clock, log: SILENT });
  return {
    ...files,
    path,
    clock,
    judged: () => {
      const { images } = files.addTo(facts);
      const [image] = images.state === 'seen' ? images.value : [];
      return setuidFiles.judge(image ?? imageFact(), facts);
    },
  };
}

void t.test('from the inventory of the layers, and after a restart from the file', async (t) => {
  const first = open(t);
  t.match(first.judged(), { verdict: 'unknown', reason: /not been read yet/ });
  t.equal(await first.update([pending]), false);
  t.equal(await first.update([await recordOf(SUDO)]), true);
  t.equal(first.judged().verdict, 'fail');
  t.equal(first.addTo(facts).images, first.addTo(facts).images, 'the same fact while nothing changed');
  t.equal(await first.update([await recordOf(SUDO)]), false);
  await first.clock.advance(2000);
  t.equal(statSync(first.path).mode & 0o777, 0o600);

  const second = open(t, first.path);
  t.equal(second.judged().verdict, 'fail', 'before the image was read again');
  t.equal(await second.update([pending]), false);
  t.equal(await second.update([{ ...pending, problem: 'timed out' }]), false, 'a failure changes nothing');
  t.equal(await second.update([await recordOf({ files: [], gaps: [] }, 'container')]), false, 'nor does a container');
  t.equal(second.judged().verdict, 'fail');
});

void t.test('what a container shows, failures, and a file that is damaged', async (t) => {
  const files = open(t);
  await files.update([await recordOf({ files: [], gaps: [] }, 'container')]);
  t.match(files.judged(), { verdict: 'unknown', reason: /read through a container/ });
  await files.update([{ ...pending, problem: 'its files cannot be read: EACCES' }]);
  t.match(files.judged(), { verdict: 'unknown', reason: /EACCES/ });
  await files.update([await recordOf({ files: [], gaps: [{ path: '/opt', reason: 'damaged' }] })]);
  t.match(files.judged(), { verdict: 'unknown', reason: /\/opt: damaged/ });
  await files.update([{ ...(await recordOf(SUDO)), atRest: [] }]);
  t.equal(files.judged().verdict, 'unknown', 'facts are about images that run');
  files.close();
  for (const content of ['', '{}', '[{"id":1}]', '['.repeat(10_000)]) {
    writeFileSync(files.path, content);
    t.equal(open(t, files.path).judged().verdict, 'unknown', content.slice(0, 20));
  }
});

void t.test('layers that hold a million setuid files', async (t) => {
  const collection = new SetuidCollection({ maxSetuidFiles: 1000, maxGaps: 500 });
  const read = (): Uint8Array => new Uint8Array();
  for (let index = 0; index < 1_000_000; index += 1)
    collection.add({ path: `/${'x'.repeat(900)}/${String(index)}`, mode: 0o4755, sizeBytes: 1, read });
  collection.finishWalk([]);
  const record = await recordOf(collection.result());
  t.ok((record.inventory?.bytes.length ?? 0) < 12 * 1024, 'on the wire');
  const files = open(t);
  await files.update([record]);
  t.match(files.judged(), { verdict: 'fail', evidence: { length: 8 } });
  files.close();
  t.ok(readFileSync(files.path).length < 32 * 1024, 'on disk');
});
