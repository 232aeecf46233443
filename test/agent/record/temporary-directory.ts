import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

/** An empty directory for the time of a test. */
export function temporaryDirectory(t: Test): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'plimsoll-record-')));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
