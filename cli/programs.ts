import type { ChildProcess, StdioOptions } from 'node:child_process';
import type { Check } from '../posture/check/check.ts';
import type { Facts } from '../posture/fact/facts.ts';
import type { ImageScanOutcome, ImageScanProgress, ImageTarget } from '../image/inventory/image-scan.ts';
import type { PlanEntry } from '../policy/rollout/plan.ts';
import type { ContainerPolicy } from '../policy/docker/container-policy.ts';
import type { Finding } from '../posture/finding.ts';
import type { FindingWaiver } from '../policy/waiver.ts';
import type { DiagnosticReport } from '../service/diagnostic.ts';
import type { Settings } from '../service/config/settings.ts';
import type { Address } from '../service/config/kind.ts';
import type { ScannedNode } from './scan/node.ts';
import type { PortHolders } from '../service/port-holder.ts';

/**
 * The parts of the program that do not belong to the command line. `main.ts` hands them in; each is loaded when it is
 * called, so that a command pays for nothing that it does not use.
 */
export interface Programs {
  /** Reads and judges this node, or a recorded one, once. */
  readonly scan: (request: ScanRequest) => Promise<ScanOutcome>;
  /** Findings as events of OCSF 1.8. */
  readonly findingEvents: (listed: ListedFindings) => Promise<readonly object[]>;
  /** Findings as those of AWS Security Hub. */
  readonly findingAsff: (listed: ListedFindings, to: AsffAccount) => Promise<readonly object[]>;
  /** Lists the packages of an image, a container, an archive or a directory. */
  readonly scanImage: (request: ImageScanRequest) => Promise<ImageScanOutcome>;
  /** Records this node into a directory. */
  readonly record: (request: RecordRequest) => Promise<RecordOutcome>;
  /** Runs the agent until `signal` aborts. Rejects with what stopped it from starting. */
  readonly agent: (run: RunRequest<AgentReady>) => Promise<void>;
  /** Runs the broker until `signal` aborts. Rejects with what stopped it from starting. */
  readonly broker: (run: RunRequest<object>) => Promise<void>;
  /** Runs the authorization plugin of dockerd until `signal` aborts. Rejects with what stopped it from starting. */
  readonly authz: (run: RunRequest<object>) => Promise<void>;
  /** Fetches the policy snapshot for the authorization plugin. */
  readonly authzFetch: (run: RunRequest<object>) => Promise<void>;
  /** Loads container policies as the plugin does. `path` is absolute. */
  readonly checkContainerPolicies: (path: string) => Promise<CheckedContainerPolicies>;
  /** Gets a certificate for this node, as the agent does at its start. Rejects with the reason why it has none. */
  readonly join: (request: ExamineRequest) => Promise<void>;
  /** Runs a program of this machine. Rejects with what it printed where it fails. */
  readonly execute: (command: string, args: readonly string[]) => Promise<void>;
  /** Runs the collector until `signal` aborts. Rejects with what stopped it from starting. */
  readonly collector: (run: RunRequest<CollectorReady>) => Promise<void>;
  /** Runs the admission webhook until `signal` aborts. Rejects with what stopped it from starting. */
  readonly admission: (run: RunRequest<object>) => Promise<void>;
  /** Carries out rollouts until `signal` aborts. Rejects with what stopped it from starting. */
  readonly rollout: (run: RunRequest<object>) => Promise<void>;
  /** What the rollout policies would do now. Changes nothing. Rejects with what stopped it from starting. */
  readonly planRollouts: (request: ExamineRequest) => Promise<PlannedRollouts>;
  /** Examines what the agent needs of this node: its engine, and what it may see. Changes nothing. */
  readonly examine: (request: ExamineRequest) => Promise<readonly DiagnosticReport[]>;
  /** Who listens on a TCP port of this machine. Changes nothing. */
  readonly portHolders: (port: number, signal: AbortSignal) => Promise<PortHolders>;
  /** Starts this program again, as a child process. */
  readonly start: (args: readonly string[], stdio: StdioOptions) => ChildProcess;
}

/** Container policies, or everything that is wrong with them. */
export type CheckedContainerPolicies =
  | { readonly ok: true; readonly policies: readonly ContainerPolicy[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** A plan, or why it could not be made. */
export type PlannedRollouts =
  { readonly ok: true; readonly value: readonly PlanEntry[] } | { readonly ok: false; readonly reason: string };

/** What to scan. */
export interface ScanRequest {
  readonly settings: Settings;
  readonly checks: readonly Check[];
  /** Directory of a recording; undefined: this node. */
  readonly recorded: string | undefined;
  readonly signal: AbortSignal;
}

/** Findings to print as events. */
export interface ListedFindings {
  readonly findings: readonly ListedFinding[];
  readonly nodes: readonly ListedNode[];
  readonly checks: readonly Pick<Check, 'id' | 'title' | 'rationale' | 'remediation' | 'references'>[];
  readonly listedAtMs: number;
  readonly version: string;
}

/** A finding with its node and its times. */
export interface ListedFinding extends Finding {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly firstSeenMs: number;
  readonly changedMs: number;
  readonly waiver?: FindingWaiver;
}

/** What events say about a node. */
export interface ListedNode extends Pick<ScannedNode, 'id' | 'operatingSystem' | 'kernelRelease' | 'agentVersion'> {
  /** Container engine and version; empty: none, or not known. */
  readonly runtime: string;
  readonly containers: readonly { readonly id: string; readonly image: string; readonly imageId: string }[];
}

/** Whose findings of AWS Security Hub they are. */
export interface AsffAccount {
  /** 12 digits. */
  readonly account: string;
  readonly region: string;
}

/** What a scan found. */
export type ScanOutcome =
  | {
      readonly ok: true;
      readonly facts: Facts;
      readonly findings: readonly Finding[];
      readonly durationMs: number;
    }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

/** Whose packages to list. */
export interface ImageScanRequest {
  readonly settings: Settings;
  readonly target: ImageTarget;
  /** What is not read within this time is a failure, or a gap of the inventory. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ImageScanProgress) => void;
}

/** What to record, and where. */
export interface RecordRequest {
  readonly settings: Settings;
  /** Absolute. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** What came of a recording. */
export type RecordOutcome =
  /** `results`: what was noted; `dropped`: contents that were too large to keep. */
  | { readonly ok: true; readonly results: number; readonly bytes: number; readonly dropped: number }
  | { readonly ok: false; readonly problem: string; readonly hint?: string };

/** What to examine. */
export interface ExamineRequest {
  readonly settings: Settings;
  readonly signal: AbortSignal;
}

/** How to run a long-running part. */
export interface RunRequest<R> {
  readonly settings: Settings;
  readonly signal: AbortSignal;
  readonly onReady: (ready: R) => void;
}

/** The agent is connected and has sent what it knows. */
export interface AgentReady {
  readonly nodeId: string;
}

/** The collector listens. */
export interface CollectorReady {
  readonly api: Address;
  readonly listen: Address;
}
