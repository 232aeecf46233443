import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { findingId, SUBJECT_KINDS } from '../../posture/finding.ts';
import type { Finding } from '../../posture/finding.ts';
import type { Delta, FindingSet } from '../../posture/delta.ts';
import * as s from '../../posture/schema.ts';
import type { Clock } from '../../service/clock.ts';
import { errorCode, PRIVATE_FILE } from '../../service/files.ts';
import type { Logger } from '../../service/log.ts';

/**
 * Keeps on disk which subjects have findings, so that an agent that starts while the engine is silent knows which
 * containers and images it can no longer see. Without it the first full transfer would resolve their findings.
 */
export interface SubjectFile {
  /** A finding without a verdict for each check and subject that was kept last; empty where nothing can be read. */
  readonly earlier: FindingSet;
  /** The findings changed by `delta`: writes the file soon, if other subjects have findings than before. */
  readonly update: (findings: FindingSet, delta: Delta) => void;
  /** Writes what is still to be written. */
  readonly close: () => void;
}

/** What a subject file works with. */
export interface SubjectFileOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Changes within this time are written together. */
const WRITE_DELAY_MS = 200;
const MAX_SUBJECTS = 50_000;

const contentSchema = s.object({
  /** Ids of checks; groups name them by their place. */
  checks: s.list(s.string('', 256), '', 10_000),
  /** Sets of checks that judge the same subjects. */
  groups: s.list(s.list(s.integer(), '', 10_000), '', 10_000),
  subjects: s.list(
    s.object({ kind: s.oneOf(SUBJECT_KINDS), id: s.string('', 4096), name: s.string('', 4096), group: s.integer() }),
    '',
    MAX_SUBJECTS,
  ),
});
type Content = s.Infer<typeof contentSchema>;

/** Reads the file. A missing or damaged file counts as empty. */
export function openSubjectFile({ path, clock, log }: SubjectFileOptions): SubjectFile {
  const earlier = findingsOf(readContent(path));
  let latest: FindingSet | undefined;
  let cancelWrite: (() => void) | undefined;
  let isFailing = false;
  const write = (): void => {
    cancelWrite?.();
    cancelWrite = undefined;
    if (latest === undefined) return;
    try {
      writeFileSync(`${path}.new`, JSON.stringify(contentOf(latest)), { mode: PRIVATE_FILE });
      renameSync(`${path}.new`, path);
      isFailing = false;
    } catch (error) {
      if (!isFailing) log.warn({ path, reason: errorCode(error) }, 'the subjects of findings could not be written');
      isFailing = true;
    }
    latest = undefined;
  };
  return {
    earlier,
    update: (findings, { added, gone }) => {
      if (added.length + gone.length === 0) return;
      latest = findings;
      cancelWrite ??= clock.after(WRITE_DELAY_MS, write);
    },
    close: write,
  };
}

function readContent(path: string): Content | undefined {
  try {
    const parsed = contentSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    return parsed.ok ? parsed.value : undefined;
  } catch {
    // The file does not exist yet, or is damaged: earlier subjects are not known.
    return undefined;
  }
}

function findingsOf(content: Content | undefined): FindingSet {
  const findings = new Map<string, Finding>();
  for (const { kind, id: subjectId, name, group } of content?.subjects ?? [])
    for (const index of content?.groups[group] ?? []) {
      const check = content?.checks[index];
      if (check === undefined) continue;
      const subject = { kind, id: subjectId, name };
      const id = findingId(check, subject);
      findings.set(id, { id, check, title: '', verdict: 'unknown', severity: 'info', subject, evidence: [] });
    }
  return findings;
}

function contentOf(findings: FindingSet): Content {
  const checks = new Map<string, number>();
  const subjects = new Map<string, { readonly subject: Finding['subject']; readonly checks: number[] }>();
  for (const { check, subject } of findings.values()) {
    // The node and its daemons are always judged.
    if (subject.kind === 'node' || subject.kind === 'daemon') continue;
    const index = checks.get(check) ?? checks.size;
    checks.set(check, index);
    const key = `${subject.kind}/${subject.id}`;
    const known = subjects.get(key) ?? { subject, checks: [] };
    known.checks.push(index);
    subjects.set(key, known);
  }
  const groups = new Map<string, number>();
  const listed = [...subjects.values()].slice(0, MAX_SUBJECTS).map(({ subject: { kind, id, name }, checks: own }) => {
    const text = JSON.stringify(own.sort((one, other) => one - other));
    const group = groups.get(text) ?? groups.size;
    groups.set(text, group);
    return { kind, id, name, group };
  });
  return {
    checks: [...checks.keys()],
    groups: [...groups.keys()].map((text) => JSON.parse(text) as number[]),
    subjects: listed,
  };
}
