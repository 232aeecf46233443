import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../../service/files.ts';
import { ok, warning } from '../../../service/diagnostic.ts';
import type { Installation, InstallationDiagnostic } from '../installation.ts';

/** What the bundle is made from, beside main.ts. */
const SOURCES = ['agent', 'cli', 'collector', 'console', 'posture', 'proto', 'service'];
/** Files that are looked at; the program has some 600. */
const MAX_FILES = 5_000;

/** Does the bundle that runs hold what its sources say? */
export const programBuild: InstallationDiagnostic = Object.freeze({
  id: 'program.build',
  group: 'program',
  title: 'version',
  run: async ({ version, installation: { directory, bundled } }: Installation) => {
    if (!bundled) return ok(`${version}, from source in ${directory}`);
    const bundle = join(directory, 'dist', 'plimsoll.js');
    const built = await modifiedMs(bundle);
    const newest = await newestSource(directory);
    if (built === undefined || newest === undefined || newest.atMs <= built)
      return ok(`${version}, from the bundle in ${join(directory, 'dist')}`);
    return warning(
      `${version}, from a bundle that is older than ${newest.path}`,
      `in ${directory}: npm start, or node scripts/build.mjs, makes it anew`,
    );
  },
});

interface Source {
  readonly path: string;
  readonly atMs: number;
}

/** The source that was changed last; undefined where there are none, as in an installed package. */
async function newestSource(directory: string): Promise<Source | undefined> {
  const listed = await Promise.all(SOURCES.map((name) => filesUnder(directory, name)));
  const paths = ['main.ts', ...listed.flat()].slice(0, MAX_FILES);
  const dated = await Promise.all(
    paths.map(async (path) => ({ path, atMs: (await modifiedMs(join(directory, path))) ?? 0 })),
  );
  const newest = dated.reduce((one, other) => (other.atMs > one.atMs ? other : one));
  return newest.atMs === 0 ? undefined : newest;
}

async function filesUnder(directory: string, name: string): Promise<readonly string[]> {
  try {
    const entries = await readdir(join(directory, name), { recursive: true });
    return entries.filter((path) => /\.(?:tsx?|css|html)$/.test(path)).map((path) => join(name, path));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function modifiedMs(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => undefined,
  );
}
