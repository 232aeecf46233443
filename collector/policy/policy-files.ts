import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAnnotations } from '../../image/policy/annotations.ts';
import type { Annotations } from '../../image/policy/annotations.ts';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import type { PolicyProblem } from '../../image/policy/load-policies.ts';
import type { ContainerPolicy } from '../../policy/docker/container-policy.ts';
import type { ImagePolicy } from '../../policy/image-policy.ts';
import type { PodPolicy } from '../../policy/pod/pod-policy.ts';
import { errorCode } from '../../service/files.ts';
import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Issue } from '../status/collector-status.ts';

/** A policy with the waivers and VEX statements of its files. */
export interface AnnotatedPolicy {
  readonly policy: ImagePolicy;
  readonly annotations: Annotations;
}

/** Policies that were loaded together. */
export interface PolicySet {
  readonly policies: readonly AnnotatedPolicy[];
  readonly podPolicies: readonly PodPolicy[];
  readonly containerPolicies: readonly ContainerPolicy[];
  /** Differs where the content differs. */
  readonly revision: string;
}

/** The policy files of a collector. */
export interface PolicyFiles {
  /** The policies that were loaded last without a problem; undefined: none ever were. */
  readonly current: () => PolicySet | undefined;
  /** Reads the files again where one has changed. Never rejects. */
  readonly refresh: () => Promise<void>;
  readonly issues: () => readonly Issue[];
  /** What is wrong with the files as they are now, at most {@link MAX_PROBLEMS}; empty: they are in use. */
  readonly problems: () => readonly PolicyProblem[];
}

/** What policy files need. */
export interface PolicyFilesOptions {
  /** A file, or a directory whose files `*.yaml`, `*.yml` and `*.json` are read. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

const MAX_FILES = 256;
const MAX_PROBLEMS = 100;
/** Keys that policies name are not watched by themselves. */
const REREAD_MS = 60_000;

/**
 * Reads the policies at a path, again whenever they change. While a file is wrong the policies that were loaded before
 * stay in use, and that is an issue: fewer policies could allow an image.
 */
export function openPolicyFiles({ path, clock, log }: PolicyFilesOptions): PolicyFiles {
  let current: PolicySet | undefined;
  let problem = '';
  let problems: readonly PolicyProblem[] = [];
  let fingerprint = '';
  let readMs = -Infinity;

  const load = async (files: readonly string[]): Promise<PolicySet> => {
    if (files.length === 0) throw new UnusableFiles([{ source: path, problem: 'holds no policy file' }]);
    const loaded = await loadPolicies(files);
    if (!loaded.ok) throw new UnusableFiles(loaded.problems);
    const policies: AnnotatedPolicy[] = [];
    for (const policy of loaded.policies) {
      const annotations = await loadAnnotations(policy, clock.now());
      if (!annotations.ok) throw new UnusableFiles([{ source: policy.source, problem: annotations.problem }]);
      policies.push({ policy, annotations: annotations.value });
    }
    const { podPolicies, containerPolicies } = loaded;
    const revision = createHash('sha256')
      .update(JSON.stringify([policies, podPolicies, containerPolicies]))
      .digest('hex');
    return { policies, podPolicies, containerPolicies, revision };
  };
  return {
    current: () => current,
    refresh: async () => {
      try {
        const files = await filesAt(path);
        const watched = (current?.policies ?? []).flatMap(({ policy }) => policy.waivers.concat(policy.vex));
        const now = await fingerprintOf([...files, ...watched]);
        if (now === fingerprint && clock.monotonic() - readMs < REREAD_MS) return;
        readMs = clock.monotonic();
        fingerprint = now;
        const loaded = await load(files);
        if (loaded.revision !== current?.revision)
          log.info({ path, policies: loaded.policies.length }, 'image policies loaded');
        current = loaded;
        problem = '';
        problems = [];
      } catch (error) {
        const found =
          error instanceof UnusableFiles
            ? error.problems
            : [{ source: path, problem: errorCode(error) ?? 'cannot be read' }];
        const reason = found
          .map((one) => `${one.source}: ${one.problem}`)
          .join('; ')
          .slice(0, 1000);
        problems = found.slice(0, MAX_PROBLEMS);
        if (reason !== problem) log.warn({ path, problem: reason }, 'image policies could not be loaded');
        problem = reason;
      }
    },
    issues: () =>
      problem === ''
        ? []
        : [
            {
              code: 'imagePolicies',
              subject: path,
              text: `image policies could not be loaded: ${problem}`,
              advice:
                current === undefined
                  ? 'correct the file; until then no image is judged'
                  : 'correct the file; until then the policies that were loaded before stay in use',
            },
          ],
    problems: () => problems,
  };
}

class UnusableFiles extends Error {
  readonly code = 'policy';
  readonly problems: readonly PolicyProblem[];
  constructor(problems: readonly PolicyProblem[]) {
    super('the policy files cannot be used');
    this.problems = problems;
  }
}

/** The policy files at a path. Names with a dot in front are not read: a mounted ConfigMap has its versions there. */
async function filesAt(path: string): Promise<readonly string[]> {
  if (!(await stat(path)).isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => /^[^.].*\.(?:yaml|yml|json)$/.test(name)).sort();
  if (names.length > MAX_FILES)
    throw new UnusableFiles([{ source: path, problem: `more than ${String(MAX_FILES)} policy files` }]);
  return names.map((name) => join(path, name));
}

async function fingerprintOf(files: readonly string[]): Promise<string> {
  const parts = await Promise.all(
    files.map(async (file) => {
      const { dev, ino, size, mtimeMs, ctimeMs } = await stat(file).catch(() => NO_FILE);
      return [file, dev, ino, size, mtimeMs, ctimeMs].join(' ');
    }),
  );
  return parts.join('\n');
}

const NO_FILE = { dev: 0, ino: 0, size: 0, mtimeMs: 0, ctimeMs: 0 };
