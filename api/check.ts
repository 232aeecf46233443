import * as s from '../posture/schema.ts';
import { control, count, severity } from './part.ts';

/** A check, as documentation. */
export const check = s.object({
  id: s.string(),
  title: s.string('what holds where the check passes'),
  failTitle: s.string('what is wrong where it fails'),
  judgedBy: s.openOneOf(
    ['effect', 'configuration'],
    '`effect`: what the kernel, a running program, its API or a probe shows, or a file as what it is. `configuration`: ' +
      'what files say to a program, or what is declared, which a program may not have read yet',
  ),
  severity,
  severityLevels: s.list(
    s.object({ severity, when: s.string('which failures have it') }),
    'severities of failures, worst first; empty: every failure has `severity`, otherwise `severity` is the worst. A ' +
      'container that does not run is judged by its declaration, one level milder unless it is restarting; a failure of ' +
      'severity `low` is then not applicable',
    8,
  ),
  judges: s.openOneOf([
    'node',
    'docker',
    'kubelet',
    'sshd',
    'container',
    'image',
    'file',
    'listener',
    'clusterNode',
    'imageTags',
    'imageRules',
    'cluster',
    'admittedContainer',
  ]),
  needs: s.list(s.string(), 'facts that it reads besides what it judges', 64),
  rationale: s.string(),
  remediation: s.string(),
  references: s.list(s.string(), '', 64),
  controls: s.list(control, '', 256),
});
/** See {@link check}. */
export type Check = s.Infer<typeof check>;

/** All checks. */
export const checkList = s.object({ checks: s.list(check, '', 10_000) });

/** All benchmarks, and how many controls of each are mapped. */
export const benchmarkList = s.object({
  benchmarks: s.list(
    s.object({
      id: s.string(),
      title: s.string(),
      controls: count('controls of the benchmark'),
      answered: count('controls that are mapped to checks'),
    }),
  ),
});

/** One benchmark with its controls. */
export const benchmark = s.object({
  id: s.string(),
  title: s.string(),
  controls: s.list(
    s.object({
      id: s.string(),
      title: s.string(),
      level: s.integer(),
      checks: s.list(s.string(), 'all of them must pass'),
      why: s.nullable(s.string(), 'why the control is not mapped to a check'),
    }),
  ),
});
