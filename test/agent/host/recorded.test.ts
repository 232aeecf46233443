import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createLinuxHost } from '../../../agent/host/linux.ts';
import { createRecorder } from '../../../agent/record/recorder.ts';
import { openRecorded } from '../../../agent/record/recording.ts';
import { nodeOf } from '../record/node-of.ts';
import { askEverything, hostConformance } from './conformance.ts';

hostConformance('recorded', true, async (directory) => {
  const recording = join(mkdtempSync(join(tmpdir(), 'plimsoll-recorded-')), 'recording');
  t.teardown(() => rmSync(join(recording, '..'), { recursive: true, force: true }));
  const recorder = createRecorder(nodeOf(createLinuxHost({ root: directory })));
  const at = (path: string): string => path;
  await askEverything(recorder.access.host, at);
  const saved = await recorder.save(recording);
  if (!saved.ok) throw new Error(saved.problem);
  const opened = await openRecorded(recording);
  if (!opened.ok) throw new Error(opened.problem);
  return { host: opened.access.host, at };
});
