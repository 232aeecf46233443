import type { Finding } from '../../posture/finding.ts';
import { issueCertificate } from '../../service/tls/issue.ts';
import type { Issuer } from '../../service/tls/issue.ts';
import { cpuMs } from '../agent/process-cost.ts';
import { readTemplates } from '../ingest/changes.ts';
import { createSimulatedAgent } from './simulated-agent.ts';
import type { SimulatedAgent } from './simulated-agent.ts';

/** What a process of simulated agents is asked to do. */
export type AgentsRequest =
  | { readonly do: 'connect'; readonly perSecond: number }
  /** Waits until all are connected and everything is acknowledged, or the time is up. */
  | { readonly do: 'settle'; readonly timeoutMs: number }
  /** From now on every agent sends a heartbeat in each interval; 0: no more. */
  | { readonly do: 'heartbeats'; readonly intervalMs: number }
  /** Changes one finding at a time, at this rate over all agents. */
  | { readonly do: 'change'; readonly perSecond: number; readonly seconds: number }
  | { readonly do: 'end' };

/** The state of the agents of one process, summed up. */
export interface AgentsState {
  readonly agents: number;
  readonly connected: number;
  readonly pending: number;
  readonly changes: number;
  readonly resyncs: number;
  readonly reconnects: number;
  /** CPU time of the process since its start. */
  readonly cpuMs: number;
  /** Times from a change to its Ack since the last request, in milliseconds; at most 10,000 of them. */
  readonly ackMs: readonly number[];
}

/** What a process of simulated agents is made with. */
export interface AgentsOptions {
  readonly address: string;
  readonly authority: Issuer;
  readonly nodeIds: readonly string[];
  readonly templates: string;
  readonly findings: number;
}

const TICK_MS = 20;
const MAX_SAMPLES = 10_000;

/** A process that speaks for many nodes, each over a connection of its own. */
export async function agents(options: AgentsOptions): Promise<(request: AgentsRequest) => Promise<AgentsState>> {
  const findings = findingsOf(options);
  let ackMs: number[] = [];
  const onAcknowledged = (milliseconds: number): void => {
    if (ackMs.length < MAX_SAMPLES) ackMs.push(milliseconds);
  };
  const { address, authority, nodeIds } = options;
  const shared = { address, ca: authority.certificatePem, findings, answer: '"6.12.0"', onAcknowledged };
  const all: SimulatedAgent[] = [];
  for (const nodeId of nodeIds) {
    const issued = await issueCertificate({ kind: 'node', nodeId }, authority, Date.now());
    all.push(createSimulatedAgent(nodeId, issued, shared));
  }
  const state = (): AgentsState => {
    const counts = all.map((agent) => agent.counts());
    const sum = (value: (one: (typeof counts)[number]) => number): number =>
      counts.reduce((total, one) => total + value(one), 0);
    const answer = {
      agents: all.length,
      connected: sum(({ isConnected }) => Number(isConnected)),
      pending: sum(({ pending }) => pending),
      changes: sum(({ changes }) => changes),
      resyncs: sum(({ resyncs }) => resyncs),
      reconnects: sum(({ reconnects }) => reconnects),
      cpuMs: cpuMs(process.pid),
      ackMs,
    };
    ackMs = [];
    return answer;
  };
  let stopHeartbeats = (): void => undefined;
  return async (request) => {
    if (request.do === 'connect') await atRate(all.length, request.perSecond, (index) => all[index]?.connect());
    if (request.do === 'settle') {
      const untilMs = performance.now() + request.timeoutMs;
      const isSettled = (): boolean => all.every((agent) => agent.counts().isConnected && agent.counts().pending === 0);
      while (!isSettled() && performance.now() < untilMs) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (request.do === 'heartbeats') {
      stopHeartbeats();
      stopHeartbeats = request.intervalMs > 0 ? heartbeats(all, request.intervalMs) : () => undefined;
    }
    if (request.do === 'change') {
      const { perSecond, seconds } = request;
      await atRate(Math.round(perSecond * seconds), perSecond, (index) => all[index % all.length]?.change());
    }
    if (request.do === 'end') {
      stopHeartbeats();
      for (const agent of all) agent.close();
    }
    return state();
  };
}

/** The findings of a scan, repeated on further containers until there are enough, each with a changed form. */
function findingsOf({ templates, findings }: AgentsOptions): readonly (readonly [Finding, Finding])[] {
  const all = readTemplates(templates);
  return Array.from({ length: findings }, (_, index) => {
    const template = all[index % all.length];
    if (template === undefined) throw new Error('the scan has no findings');
    const round = Math.floor(index / all.length);
    const subject =
      round === 0 ? template.subject : { ...template.subject, id: `${template.subject.id}-${String(round)}` };
    const before = { ...template, subject };
    const [evidence, ...others] = template.evidence;
    const changed = evidence === undefined ? [] : [{ ...evidence, seen: `${evidence.seen.slice(0, 200)} (changed)` }];
    return [before, { ...before, reason: 'this finding was changed', evidence: [...changed, ...others] }] as const;
  });
}

/** Calls `act` so often a second, in small groups; answers when it was called `times` times. */
async function atRate(times: number, perSecond: number, act: (index: number) => void): Promise<void> {
  const startedMs = performance.now();
  for (let done = 0; done < times;) {
    const due = Math.min(times, Math.ceil(((performance.now() - startedMs) / 1000) * perSecond));
    for (; done < due; done += 1) act(done);
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

/** Spread evenly over the interval. */
function heartbeats(all: readonly SimulatedAgent[], intervalMs: number): () => void {
  const startedMs = performance.now();
  let done = 0;
  const timer = setInterval(() => {
    const due = Math.floor(((performance.now() - startedMs) / intervalMs) * all.length);
    for (; done < due; done += 1) all[done % all.length]?.heartbeat();
  }, TICK_MS);
  return () => clearInterval(timer);
}
