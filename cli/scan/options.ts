import { SEVERITIES, VERDICTS } from '../../posture/verdict.ts';
import { FINDINGS_OUTPUT, QUIET_OPTION } from '../command.ts';
import type { Option } from '../command.ts';
import { BY_OPTION } from '../output/finding-listing.ts';
import { ASFF_OPTIONS } from '../output/finding-events.ts';
import { OUTPUT_FILE_OPTION } from '../output/output-file.ts';

/** The options of `plimsoll scan` that are not settings. */
export const SCAN_OPTIONS: readonly Option[] = Object.freeze([
  {
    name: 'verdict',
    short: 'v',
    value: 'VERDICT',
    choices: VERDICTS,
    repeated: true,
    summary: 'print findings with this verdict; default: fail in a table, all in other formats',
  },
  {
    name: 'severity',
    value: 'SEVERITY',
    choices: SEVERITIES,
    repeated: true,
    summary: 'print findings of this severity',
  },
  {
    name: 'check',
    value: 'CHECK',
    repeated: true,
    completes: 'check',
    summary: 'print findings of this check, or of an area such as ssh',
  },
  {
    name: 'container',
    value: 'NAME',
    repeated: true,
    completes: 'subject',
    summary: 'print findings about this container, by name or id; the id may be shortened',
  },
  {
    name: 'subject',
    value: 'NAME',
    repeated: true,
    summary: 'print findings about this subject of any kind, by name or id',
  },
  {
    name: 'benchmark',
    value: 'ID',
    completes: 'scanBenchmark',
    summary:
      'judge only by the checks of this benchmark, see: plimsoll benchmarks; cis-kubernetes is the one that fits the kubelet of this host',
  },
  {
    name: 'level',
    value: 'LEVEL',
    choices: ['1', '2', '3'],
    needs: 'benchmark',
    summary: 'judge only by controls of this level of the benchmark; 2 includes 1, 3 both',
  },
  {
    name: 'fail-on',
    value: 'SEVERITY',
    choices: SEVERITIES,
    summary: 'exit with status 1 if a selected finding fails with this severity or a worse one',
  },
  {
    name: 'baseline',
    value: 'FILE',
    completes: 'file',
    summary:
      'do not count failures that this earlier output of plimsoll scan -o json has; a container or image is the same one while its name is',
  },
  {
    name: 'waivers',
    value: 'FILE',
    repeated: true,
    completes: 'file',
    summary:
      'documents of kind Waiver, or a directory of them: what they accept does not count for --fail-on and is shown as waived; says which have expired, are unused or accept too much',
  },
  {
    name: 'state',
    value: 'STATE',
    choices: ['open', 'waived'],
    needs: 'waivers',
    summary: 'print only findings that are waived, or only those that are not',
  },
  {
    name: 'compare',
    value: 'FILE',
    completes: 'file',
    summary:
      'print the controls about which this JSON report of docker-bench-security or kube-bench says something else, with the evidence; the benchmark is that of the report',
  },
  {
    name: 'recorded',
    value: 'DIR',
    completes: 'directory',
    summary: 'judge a recording of plimsoll record instead of this machine',
  },
  {
    ...BY_OPTION,
    choices: [...(BY_OPTION.choices ?? []), 'control'],
    summary: `${BY_OPTION.summary}; control: the results of the controls of --benchmark`,
  },
  FINDINGS_OUTPUT,
  ...ASFF_OPTIONS,
  OUTPUT_FILE_OPTION,
  QUIET_OPTION,
]);
