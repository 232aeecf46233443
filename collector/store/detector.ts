import type { DatabaseSync } from 'node:sqlite';
import type { Evidence } from '../../posture/verdict.ts';
import { redactText } from '../../posture/redaction/redact.ts';
import { MAX_DETECTION_EVIDENCE, MAX_DETECTION_TEXT } from '../detection/detection.ts';
import type { Detection } from '../detection/detection.ts';
import { evaluate, FLAP_MS } from '../detection/evaluate.ts';
import type { DetectionState } from '../detection/evaluate.ts';
import { AGENT_SILENT, DETECTION_RULES } from '../detection/rules.ts';
import type { DetectionRule } from '../detection/rules.ts';
import type { DetectionTable, TimedDetection } from './detection-table.ts';
import { FINDINGS_OF_SUBJECT } from './key-table.ts';
import { parsed } from './package-row.ts';
import { toStoredFinding } from './row.ts';
import type { ContentRow, NodeName } from './row.ts';

/** A finding as it is now, with its key and the node that reported it. */
export interface ObservedFinding {
  readonly key: number;
  readonly node: NodeName & { readonly key: number };
  readonly row: ContentRow;
  /** What the finding said before; undefined: it is new. */
  readonly previous: ContentRow | undefined;
  /** The node has sent no snapshot before. */
  readonly isFirst: boolean;
}

/** A node that is not heard of, since when. */
export interface SilentNode {
  readonly nodeId: string;
  readonly nodeName: string;
  readonly sinceMs: number;
}

/** Compares findings with what is known of them, and writes detections. Every method must be called within a transaction. */
export interface Detector {
  /** Does a rule look at the findings of this check? */
  readonly isWatched: (check: string) => boolean;
  /** `atMs`: on the clock of the collector. */
  readonly observe: (finding: ObservedFinding, atMs: number) => void;
  /** A finding (`check/kind/id`) of a node is gone. */
  readonly removed: (node: number, id: string, atMs: number) => void;
  readonly removeNode: (node: number) => void;
  /** Reports each silence once; says how many detections had no event of their own; forgets what is over. */
  readonly sweep: (silent: readonly SilentNode[], atMs: number) => void;
  /** Must be called when a transaction was rolled back. */
  readonly rollback: () => void;
  /** Must be called before the transaction ends. Returns the newest position, 0: nothing was detected. */
  readonly finish: () => number;
}

/** Detections of one rule on one node with an event of their own, within a window: a node must not fill the outbox. */
const WINDOW_MS = 10 * 60_000;
const MAX_OF_RULE = 20;
/** Silent agents with an event of their own in one sweep; the others come with the next. */
const MAX_SILENT = 100;
/** A finding that is new while its subject is older than this is one of a new check: what it says was there. */
const NEW_CHECK_MS = 60 * 60_000;

const BY_CHECK: ReadonlyMap<string, readonly DetectionRule[]> = Map.groupBy(
  DETECTION_RULES.filter(({ check }) => check !== undefined),
  ({ check = '' }) => check,
);
const SILENCE = DETECTION_RULES.find(({ id }) => id === AGENT_SILENT);

interface Budget {
  readonly window: number;
  readonly count: number;
  readonly suppressed: number;
}

/** Prepares the statements. */
export function prepareDetector(db: DatabaseSync, table: DetectionTable): Detector {
  const selectState = db.prepare('SELECT state FROM detection_state WHERE node = ? AND name = ?');
  const putState = db.prepare(
    `INSERT INTO detection_state VALUES (?, ?, ?, ?)
     ON CONFLICT (node, name) DO UPDATE SET state = excluded.state, off_since = excluded.off_since`,
  );
  const removeState = db.prepare('DELETE FROM detection_state WHERE node = ? AND name = ?');
  const removeOver = db.prepare('DELETE FROM detection_state WHERE off_since > 0 AND off_since < ?');
  const removeStates = db.prepare('DELETE FROM detection_state WHERE node = ?');
  const selectOldest = db.prepare(
    `SELECT min(first_seen) AS at FROM finding, (SELECT ? >> 20 AS key) AS subject WHERE ${FINDINGS_OF_SUBJECT}`,
  );
  const selectBudget = db.prepare('SELECT window, count, suppressed FROM detection_budget WHERE node = ? AND rule = ?');
  const putBudget = db.prepare(
    `INSERT INTO detection_budget VALUES (?, ?, ?, ?, ?) ON CONFLICT (node, rule)
     DO UPDATE SET window = excluded.window, count = excluded.count, suppressed = excluded.suppressed`,
  );
  const selectSuppressed = db.prepare(
    `SELECT node.id AS nodeId, node.name AS nodeName, node.key AS node, rule, suppressed
     FROM detection_budget JOIN node ON node.key = detection_budget.node WHERE suppressed > 0 AND window < ? LIMIT 100`,
  );
  const removeBudgets = db.prepare('DELETE FROM detection_budget WHERE node = ?');
  const removeOldBudgets = db.prepare('DELETE FROM detection_budget WHERE suppressed = 0 AND window < ?');
  const selectNode = db.prepare('SELECT key FROM node WHERE id = ?');
  let noted: TimedDetection[] = [];

  const stateOf = (node: number, name: string): DetectionState | undefined => {
    const text = selectState.get(node, name)?.['state'];
    return typeof text === 'string' ? (parsed(text) as DetectionState) : undefined;
  };
  const keep = (node: number, name: string, state: DetectionState, atMs: number): void => {
    const isKept = state.isPending === true || state.items.some(({ isOn }) => isOn);
    if (state.items.length === 0 && !isKept) removeState.run(node, name);
    else putState.run(node, name, JSON.stringify(state), isKept ? 0 : atMs);
  };
  const budgetOf = (node: number, rule: string, atMs: number): Budget => {
    const stored = selectBudget.get(node, rule) as unknown as Budget | undefined;
    if (stored === undefined) return { window: atMs, count: 0, suppressed: 0 };
    return atMs - stored.window < WINDOW_MS && atMs >= stored.window
      ? stored
      : { window: atMs, count: 0, suppressed: stored.suppressed };
  };
  /** Counts detections that get no event of their own. */
  const suppress = (node: number, rule: string, { count, atMs }: { count: number; atMs: number }): void => {
    const budget = budgetOf(node, rule, atMs);
    putBudget.run(node, rule, budget.window, budget.count, budget.suppressed + count);
  };
  const detect = (node: number, detection: Omit<Detection, 'suppressed'>, atMs: number): void => {
    const budget = budgetOf(node, detection.rule, atMs);
    if (budget.count >= MAX_OF_RULE) {
      putBudget.run(node, detection.rule, budget.window, budget.count, budget.suppressed + 1);
      return;
    }
    putBudget.run(node, detection.rule, budget.window, budget.count + 1, 0);
    noted.push({ atMs, detection: { ...detection, suppressed: budget.suppressed } });
  };
  const observeBy = (rule: DetectionRule, found: ObservedFinding, atMs: number): void => {
    const { node, row, previous, isFirst, key } = found;
    const { trigger } = rule;
    if (trigger === undefined) return;
    if (trigger.on === 'appearance' && !row.subject.startsWith(`${trigger.subject}/`)) return;
    const finding = toStoredFinding(row, node);
    const name = `${rule.id}/${row.subject}`;
    let before = stateOf(node.key, name);
    // Nothing is known, but the finding is: it was stored before there was this rule.
    if (before === undefined && previous !== undefined) {
      const known = evaluate(trigger, undefined, { now: toStoredFinding(previous, node), atMs, isBaseline: true });
      // A container that started later and could not be read at first does not belong to the baseline.
      before = { items: known.state.items };
    }
    const isNewCheck = (): boolean => {
      const oldest = selectOldest.get(key)?.['at'];
      return typeof oldest === 'number' && atMs - oldest > NEW_CHECK_MS;
    };
    const isBaseline = before === undefined && previous === undefined && (isFirst || isNewCheck());
    const { state, fresh, repeated } = evaluate(trigger, before, { now: finding, atMs, isBaseline });
    keep(node.key, name, state, atMs);
    if (repeated > 0) suppress(node.key, rule.id, { count: repeated, atMs });
    if (fresh === undefined) return;
    const detection = {
      rule: rule.id,
      severity: rule.severity?.(finding) ?? finding.severity,
      nodeId: node.id,
      nodeName: node.name,
      subject: finding.subject,
      evidence: fresh.slice(0, MAX_DETECTION_EVIDENCE).map(bounded),
      reason: redactText(finding.reason ?? rule.title).slice(0, MAX_DETECTION_TEXT),
      findingUid: finding.uid,
    };
    detect(node.key, detection, atMs);
  };
  const reportSilence = ({ nodeId, nodeName, sinceMs }: SilentNode, atMs: number): boolean => {
    const node = selectNode.get(nodeId)?.['key'];
    if (typeof node !== 'number' || SILENCE === undefined) return false;
    const state: DetectionState = { items: [{ key: String(sinceMs), isOn: true, atMs }] };
    if (stateOf(node, AGENT_SILENT)?.items[0]?.key === String(sinceMs)) return false;
    keep(node, AGENT_SILENT, state, atMs);
    const since = new Date(sinceMs).toISOString();
    const detection = {
      rule: AGENT_SILENT,
      severity: 'high',
      nodeId,
      nodeName,
      subject: { kind: 'node', id: nodeId, name: nodeName },
      evidence: [{ source: 'collector', seen: `last heard of at ${since}`, expected: 'a session of the agent' }],
      reason: `nothing was heard of the agent since ${since}`,
      findingUid: '',
    } as const;
    detect(node, detection, atMs);
    return true;
  };
  const reportSuppressed = (atMs: number): void => {
    for (const row of selectSuppressed.all(atMs - WINDOW_MS)) {
      const [node, rule, suppressed] = [Number(row['node']), String(row['rule']), Number(row['suppressed'])];
      const [nodeId, nodeName] = [String(row['nodeId']), String(row['nodeName'])];
      putBudget.run(node, rule, atMs, 0, 0);
      const detection: Detection = {
        rule,
        severity: 'high',
        nodeId,
        nodeName,
        subject: { kind: 'node', id: nodeId, name: nodeName },
        evidence: [],
        reason: `${String(suppressed)} further detections of this rule had no event of their own: see the findings`,
        findingUid: '',
        suppressed,
      };
      noted.push({ atMs, detection });
    }
  };

  return {
    isWatched: (check) => BY_CHECK.has(check),
    observe: (found, atMs) => {
      for (const rule of BY_CHECK.get(found.row.check) ?? []) observeBy(rule, found, atMs);
    },
    removed: (node, id, atMs) => {
      const slash = id.indexOf('/');
      for (const rule of BY_CHECK.get(id.slice(0, slash)) ?? []) {
        const name = `${rule.id}/${id.slice(slash + 1)}`;
        const before = stateOf(node, name);
        if (before === undefined || rule.trigger === undefined) continue;
        const { state } = evaluate(rule.trigger, before, { now: undefined, atMs, isBaseline: false });
        keep(node, name, state, atMs);
      }
    },
    removeNode: (node) => {
      removeStates.run(node);
      removeBudgets.run(node);
    },
    sweep: (silent, atMs) => {
      let reported = 0;
      for (const node of silent) if (reported < MAX_SILENT && reportSilence(node, atMs)) reported += 1;
      reportSuppressed(atMs);
      removeOver.run(atMs - FLAP_MS);
      removeOldBudgets.run(atMs - WINDOW_MS);
    },
    rollback: () => {
      noted = [];
    },
    finish: () => {
      const detections = noted;
      noted = [];
      return table.write(detections);
    },
  };
}

function bounded({ source, seen, expected }: Evidence): Evidence {
  const text = (value: string): string => redactText(value).slice(0, MAX_DETECTION_TEXT);
  return { source: text(source), seen: text(seen), expected: text(expected) };
}
