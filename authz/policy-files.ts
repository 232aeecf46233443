import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readBoundedText } from '../image/policy/bounded-text.ts';
import { parseYamlDocuments } from '../image/policy/yaml-documents.ts';
import { conflictBetween, parseContainerPolicy } from '../policy/docker/container-policy.ts';
import type { ContainerPolicy } from '../policy/docker/container-policy.ts';
import { errorCode } from '../service/files.ts';

/** All policies of a file or directory, or everything that is wrong with them. Quotes nothing of the files. */
export type LoadedContainerPolicies =
  | { readonly ok: true; readonly policies: readonly ContainerPolicy[] }
  | { readonly ok: false; readonly problems: readonly string[] };

const MAX_FILE_BYTES = 256 * 1024;
const MAX_FILES = 100;
const MAX_POLICIES = 1000;
/** Bits of st_mode, inode(7). */
const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Loads the policies of a YAML file, or of the files `*.yaml` and `*.yml` of a directory. One problem refuses all.
 * Whoever can write a policy decides what runs as root: a file or directory that others can write to is a problem.
 */
export async function loadContainerPolicies(path: string): Promise<LoadedContainerPolicies> {
  const policies: ContainerPolicy[] = [];
  const problems: string[] = [];
  const files = await policyFiles(path);
  if (!files.ok) return { ok: false, problems: [`${path}: ${files.problem}`] };
  for (const file of files.paths) {
    const read = await readPolicies(file);
    policies.push(...read.policies);
    problems.push(...read.problems.map((problem) => `${file}: ${problem}`));
  }
  if (problems.length === 0 && policies.length === 0) problems.push(`${path}: contains no ContainerPolicy`);
  if (policies.length > MAX_POLICIES) problems.push(`${path}: more than ${String(MAX_POLICIES)} policies`);
  else if (problems.length === 0) problems.push(...conflictsOf(policies));
  return problems.length > 0 ? { ok: false, problems } : { ok: true, policies };
}

type Files =
  { readonly ok: true; readonly paths: readonly string[] } | { readonly ok: false; readonly problem: string };

async function policyFiles(path: string): Promise<Files> {
  try {
    const { isDirectory } = await examine(path);
    // What root owns in a sticky directory such as /tmp, others cannot rename.
    await examine(dirname(path), STICKY);
    if (!isDirectory) return { ok: true, paths: [path] };
    const names = (await readdir(path)).filter((name) => /\.ya?ml$/.test(name)).sort();
    return names.length > MAX_FILES
      ? { ok: false, problem: `more than ${String(MAX_FILES)} files` }
      : { ok: true, paths: names.map((name) => join(path, name)) };
  } catch (error) {
    const problem = error instanceof UntrustedError ? error.message : `cannot be read (${errorCode(error)})`;
    return { ok: false, problem };
  }
}

class UntrustedError extends Error {}

async function examine(path: string, excuse = 0): Promise<{ readonly isDirectory: boolean }> {
  const found = await stat(path);
  const isWritable = (found.mode & GROUP_OR_OTHERS_WRITE) !== 0 && (found.mode & excuse) === 0;
  if ((found.uid !== 0 && found.uid !== process.geteuid?.()) || isWritable)
    throw new UntrustedError(`${path} can be changed by users other than root; chown root and chmod go-w it`);
  return { isDirectory: found.isDirectory() };
}

async function readPolicies(
  path: string,
): Promise<{ readonly policies: readonly ContainerPolicy[]; readonly problems: readonly string[] }> {
  const failed = (problem: string) => ({ policies: [], problems: [problem] });
  try {
    await examine(path);
  } catch (error) {
    return failed(error instanceof UntrustedError ? error.message : `cannot be read (${errorCode(error)})`);
  }
  const file = await readBoundedText(path, MAX_FILE_BYTES);
  if (!file.ok) return failed(file.reason);
  const yaml = parseYamlDocuments(file.text);
  if (!yaml.ok) return failed(yaml.reason);
  const parsed = yaml.documents.map((document) => parseContainerPolicy({ value: document, source: path }));
  return {
    policies: parsed.flatMap((one) => (one.ok ? [one.value] : [])),
    problems: parsed.flatMap((one) => (one.ok ? [] : [one.problem])),
  };
}

function conflictsOf(policies: readonly ContainerPolicy[]): readonly string[] {
  return policies.flatMap((one, index) =>
    policies.slice(index + 1).flatMap((other) => {
      const conflict = conflictBetween(one, other);
      return conflict === undefined ? [] : [`${other.source}: ${other.name} conflicts with ${one.name}: ${conflict}`];
    }),
  );
}
