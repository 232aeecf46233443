import { formatBytes } from '../../service/bytes.ts';
import { judgeFreeSpace } from '../../service/free-space.ts';
import type { NodeProblem } from '../session/server.ts';
import type { SinkReport } from '../sink/sink-report.ts';
import type { WriteProblem } from '../store/write-health.ts';
import type { NodeHealth } from './freshness.ts';
import type { CollectorStatus, StoreStatus, Issue } from './collector-status.ts';

/** What does not work, worst first. Nodes that are not listed are counted in `nodes` only. */
export function findIssues(status: Omit<CollectorStatus, 'issues'>): readonly Issue[] {
  return [
    ...storeIssues(status.store),
    ...fileIssues(status),
    ...status.sinks.flatMap((sink) => sinkIssues(sink, status.nodes.listed)),
    ...status.nodes.problems.map((problem) => problemIssue(problem, status.nodes.listed)),
    ...status.nodes.listed.flatMap((node) => nodeIssues(node, status)),
  ];
}

function fileIssues({ store, missingFiles }: Omit<CollectorStatus, 'issues'>): readonly Issue[] {
  const { path, isReplaced, restoredMs } = store;
  const issues: Issue[] = [];
  if (isReplaced)
    issues.push({
      code: 'storeReplaced',
      subject: path,
      text: 'a file of the store (store.sqlite, store.sqlite-wal) was removed or replaced while the collector uses it: what is stored now can be lost when it ends',
      advice: 'start the collector again; nodes then send their findings again, older history is gone',
    });
  if (restoredMs !== undefined)
    issues.push({
      code: 'storeRestored',
      subject: path,
      text: 'the store is older than what was shipped from it: it was restored from a backup',
      advice:
        'nodes send their findings again; history between the backup and now is missing here, and sinks may have seen ' +
        'findings open or close twice. This message ends with the next start',
    });
  if (missingFiles.length > 0)
    issues.push({
      code: 'tlsFilesMissing',
      subject: missingFiles[0] ?? '',
      text: `keys or certificates are missing: ${missingFiles.join(', ')}`,
      advice: 'restore them from a backup before the collector is started again: nodes trust this authority only',
    });
  return issues;
}

/** What to do about a store that cannot be written, by the code of the failure. */
const WRITE_ADVICE: Readonly<Partial<Record<WriteProblem['code'], string>>> = Object.freeze({
  notWritable: 'mount the file system read-write, or make the file writable; nodes keep their changes until then',
  full: 'make room, move it with --data-dir, or keep less history with --history-retention',
  io: 'look at the disk (dmesg, smartctl); nodes keep their changes until it works again',
  locked: 'another process holds the file: end it (fuser names it); nodes keep their changes until then',
});

function storeIssues({ path, problem, writeProblem, diskProblem, space, quarantined }: StoreStatus): readonly Issue[] {
  const issues: Issue[] = [];
  const general = 'check the log of the collector and the disk; then start the collector again';
  if (diskProblem !== undefined)
    issues.push({
      code: 'diskFailing',
      subject: path,
      text: `the disk of the data directory does not complete writes: ${diskProblem}`,
      advice:
        'look at the disk and its mount (dmesg, findmnt); a frozen file system: fsfreeze --unfreeze MOUNTPOINT. ' +
        'Nodes keep their changes until it works again',
    });
  else if (problem !== '')
    issues.push({
      code: 'storeFailing',
      subject: path,
      text: `the store cannot be ${writeProblem === undefined ? 'read' : 'written'}: ${problem}`,
      advice: (writeProblem === undefined ? undefined : WRITE_ADVICE[writeProblem.code]) ?? general,
    });
  if (quarantined !== undefined)
    issues.push({
      code: 'storeQuarantined',
      subject: path,
      text: `a damaged store was quarantined as ${quarantined.path}`,
      advice: 'nodes have sent their findings again, but older history is in that file only: keep or remove it',
    });
  const verdict = space === undefined ? 'enough' : judgeFreeSpace(space);
  if (space !== undefined && verdict !== 'enough')
    issues.push({
      code: 'storeSpace',
      subject: path,
      text:
        verdict === 'none'
          ? `the disk is full, or nearly: ${formatBytes(space.freeBytes)} are free`
          : `only ${formatBytes(space.freeBytes)} are free on the disk`,
      advice: 'make room, move it with --data-dir, or keep less history with --history-retention',
    });
  return issues;
}

function sinkIssues(sink: SinkReport, nodes: readonly NodeHealth[]): readonly Issue[] {
  const { name, state, lastError, deadLetters, discarded, dropped, droppedMost, incomplete } = sink;
  const issues: Issue[] = [];
  if (state === 'paused')
    issues.push({
      code: 'sinkPaused',
      subject: name,
      text: `this sink has stopped: ${lastError}`,
      advice: 'fix the cause, then start the collector again: waiting events are delivered then',
    });
  if (state === 'retrying')
    issues.push({
      code: 'sinkRetrying',
      subject: name,
      text: `delivery to this sink is failing: ${lastError}`,
      advice: 'check its receiver; events wait in the store and are sent once it accepts them',
    });
  if (dropped > 0)
    issues.push({
      code: 'sinkDropped',
      subject: name,
      text: `${String(dropped)} event${dropped === 1 ? ' was' : 's were'} dropped because more than sink-backlog-max-events waited${droppedMost === undefined ? '' : `, ${String(droppedMost.events)} of them from the node ${nameOf(droppedMost.nodeId, nodes)}`}`,
      advice:
        'check its receiver, or raise the limit; the findings are still here: plimsoll findings. ' +
        'This message ends with the next start',
    });
  if (incomplete > 0)
    issues.push({
      code: 'sinkIncomplete',
      subject: name,
      text: `${String(incomplete)} event${incomplete === 1 ? ' was' : 's were'} sent without title and evidence, which are damaged in the store`,
      advice: 'check the disk; the findings are still here: plimsoll findings. This message ends with the next start',
    });
  if (deadLetters > 0)
    issues.push({
      code: 'sinkRejected',
      subject: name,
      text: `the receiver rejected ${String(deadLetters)} event${deadLetters === 1 ? '' : 's'}, which wait as dead letters`,
      advice: 'plimsoll deadletter list says why; then replay or purge them: plimsoll deadletter --help',
    });
  if (discarded > 0)
    issues.push({
      code: 'sinkDiscarded',
      subject: name,
      text: `${String(discarded)} rejected event${discarded === 1 ? ' is' : 's are'} not kept: the list of dead letters was full, or the receiver did not say which`,
      advice:
        'the log of the collector and plimsoll deadletter list say why they were rejected. ' +
        'The findings are still here: plimsoll findings. This message ends with the next start',
    });
  return issues;
}

function nodeIssues(
  { id, name, presence, dropped, overBudget }: NodeHealth,
  { heartbeatMs }: Pick<CollectorStatus, 'heartbeatMs'>,
): readonly Issue[] {
  const issues: Issue[] = [];
  if (presence === 'offline')
    issues.push({
      code: 'nodeOffline',
      subject: name,
      text: 'the agent of this node is not connected',
      advice:
        'on that node: does the agent run, and what does its log say? plimsoll doctor tries the connection; ' +
        'if it was retired: plimsoll nodes remove NODE',
    });
  if (presence === 'stale')
    issues.push({
      code: 'nodeStale',
      subject: name,
      text: `three heartbeats of this node are missing (one every ${String(Math.round(heartbeatMs / 1000))} s)`,
      advice: 'on that node: is it overloaded or cut off? Read its log, and run plimsoll doctor there',
    });
  if (presence === 'neverEnrolled')
    issues.push({
      code: 'nodeNeverEnrolled',
      subject: name,
      text: 'this node of the Kubernetes cluster has no agent: nothing on it is checked',
      advice: 'plimsoll explain agent.enrollment',
    });
  if (dropped > 0)
    issues.push({
      code: 'agentDropped',
      subject: name,
      text: `the agent had to drop ${String(dropped)} change${dropped === 1 ? '' : 's'}`,
      advice: 'a full transfer has healed or will heal it; if that comes again, raise spool-max-bytes or free its disk',
    });
  if (overBudget)
    issues.push({
      code: 'agentOverBudget',
      subject: name,
      text: 'the agent takes more memory or CPU than it may, and has slowed down',
      // By its id: a name may hold anything, and this line is there to be copied into a shell.
      advice: `plimsoll explain agent.resource-budget --node ${id}`,
    });
  return issues;
}

function problemIssue(problem: NodeProblem, nodes: readonly NodeHealth[]): Issue {
  const subject = nameOf(problem.nodeId, nodes);
  switch (problem.kind) {
    case 'identityConflict':
      return {
        code: 'nodeIdentityConflict',
        subject,
        text:
          `two agents use the identity of this node: the one at ${problem.connected} has the session, ` +
          `the one at ${problem.refused} was refused ${String(problem.attempts)} times`,
        advice:
          'one of them is a copy: give that machine a machine-id of its own (systemd-machine-id-setup), remove its ' +
          'data directory, and let it have a new certificate; if you know of no copy, the certificate was stolen',
      };
    case 'repaired':
      return {
        code: 'nodeRepaired',
        subject,
        text: 'stored findings of this node were damaged, and it was asked for all of them',
        advice:
          'look at the disk of the collector (kernel log, smartctl): something other than it has changed the store',
      };
    case 'restored':
      return {
        code: 'agentRestored',
        subject,
        text: 'the data directory of this agent is an old copy: the collector has committed later changes of this node',
        advice:
          'after a restore or a power cut of the node, no action is needed: its findings were sent again, changes ' +
          'that waited in the copy were dropped. Otherwise two machines use one data directory: give each its own. ' +
          'This message ends with the next start of the collector',
      };
    case 'limited':
      return {
        code: 'nodeLimited',
        subject,
        text: `the collector slows this node down: ${problem.reason}`,
        advice:
          'nothing is lost, it waits on the node: look at what starts and stops there all the time; if it is nothing, ' +
          'somebody else may use its certificate',
      };
  }
}

function nameOf(nodeId: string, nodes: readonly NodeHealth[]): string {
  return nodes.find(({ id }) => id === nodeId)?.name ?? nodeId;
}
