import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createDeltaReassembler } from '../../collector/session/delta-reassembler.ts';
import type { WholeDelta } from '../../collector/session/delta-reassembler.ts';
import { DEFAULT_SESSION_SETTINGS } from '../../collector/session/settings.ts';
import { openSqliteStore } from '../../collector/store/sqlite.ts';
import type { Commit } from '../../collector/store/store.ts';
import { decodeAgentMessage } from '../../proto/fleet.ts';
import { benchNode, readTemplates } from './changes.ts';
import type { Phase, Traffic } from './changes.ts';
import { mark } from './collector.ts';
import type { Mark } from './collector.ts';
import type { Ask } from './roles.ts';

/** What both ways of storing without a wire are made with. */
export interface LocalOptions {
  readonly directory: string;
  readonly nodes: readonly string[];
  readonly templates: string;
  readonly findingsPerNode: number;
}

/** From the bytes of a message to the commit, without a wire. Answers each `run` with its cost. */
export async function local(options: LocalOptions): Promise<(ask: Ask) => Promise<unknown>> {
  const store = await openSqliteStore({ path: join(options.directory, 'local.sqlite') });
  const traffic = localTraffic(options);
  const { maxBatchFindings } = DEFAULT_SESSION_SETTINGS;
  const budget = { bytes: 0 };
  let newest = 0;
  return async (ask) => {
    if (ask.do === 'prepare') return traffic.prepare(ask);
    if (ask.do === 'end') return await store.close();
    const before = mark(0);
    const first = newest;
    let batch: Commit[] = [];
    let weight = 0;
    const commit = async (): Promise<void> => {
      for (const result of await store.commit(batch))
        if (result.outcome === 'applied') newest = Math.max(newest, result.newest);
        else throw new Error(`a commit came to ${result.outcome}`);
      [batch, weight] = [[], 0];
    };
    for (const { nodeId, reassembler, message } of traffic.messages(budget)) {
      const assembled = reassembler.add(decodeAgentMessage(message).delta ?? {}, message.length);
      if (assembled.state === 'refused') throw new Error(assembled.ending.details);
      if (assembled.state === 'partial') continue;
      batch.push(toCommit(nodeId, assembled.delta));
      weight += assembled.delta.put.length + assembled.delta.gone.length;
      if (weight >= maxBatchFindings) await commit();
    }
    await commit();
    return cost(before, mark(newest - first));
  };
}

/**
 * The floor of storing: the rows of the findings alone, already decoded, written over the old ones or deleted, 500 a
 * transaction, as durable as the store; no history, no events, no indexes, no digest.
 */
export async function floor(options: LocalOptions): Promise<(ask: Ask) => Promise<unknown>> {
  const db = new DatabaseSync(join(options.directory, 'floor.sqlite'));
  db.exec(`PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;
    CREATE TABLE finding (node INTEGER, subject TEXT, check_id TEXT, rank INTEGER, detail TEXT,
      PRIMARY KEY (node, subject, check_id)) WITHOUT ROWID`);
  const put = db.prepare('INSERT OR REPLACE INTO finding VALUES (?, ?, ?, ?, ?)');
  const remove = db.prepare('DELETE FROM finding WHERE node = ? AND subject = ? AND check_id = ?');
  const traffic = localTraffic(options);
  let work: (() => void)[] = [];
  return async (ask) => {
    if (ask.do === 'end') return db.close();
    if (ask.do === 'run') {
      const before = mark(0);
      for (const one of work) one();
      return cost(before, mark(0));
    }
    const prepared = traffic.prepare(ask);
    work = [...traffic.messages({ bytes: 0 })].map(({ index, message }) => {
      const { delta } = decodeAgentMessage(message);
      const rows = (delta?.put ?? []).map(({ subject, check, verdict, ...rest }) => {
        const { title, evidence, reason } = rest;
        const key = `${String(subject?.kind)}/${String(subject?.id)}`;
        return [index, key, check ?? '', Number(verdict), JSON.stringify([title, evidence, reason])] as const;
      });
      const keys = (delta?.gone ?? []).map((id) => {
        const slash = id.indexOf('/');
        return [index, id.slice(slash + 1), id.slice(0, slash)] as const;
      });
      return () => {
        db.exec('BEGIN IMMEDIATE');
        for (const row of rows) put.run(...row);
        for (const key of keys) remove.run(...key);
        db.exec('COMMIT');
      };
    });
    return prepared;
  };
}

function localTraffic({ nodes, templates, findingsPerNode }: LocalOptions) {
  const all = readTemplates(templates);
  const made = nodes.map((id) => benchNode(id, all, findingsPerNode));
  let prepared: readonly Traffic[] = [];
  return {
    prepare: ({ phase, changes }: Ask): { readonly changes: number } => {
      prepared = made.map((node) => node.next(phase as Phase, changes ?? 0));
      return { changes: prepared.reduce((sum, next) => sum + next.changes, 0) };
    },
    /** The messages of all nodes, turn by turn. */
    messages: function* (budget: { bytes: number }) {
      const reassemblers = made.map(() => createDeltaReassembler(DEFAULT_SESSION_SETTINGS, budget));
      const rounds = Math.max(...prepared.map(({ messages }) => messages.length));
      for (let round = 0; round < rounds; round += 1)
        for (const [index, { messages }] of prepared.entries()) {
          const [message, reassembler] = [messages[round], reassemblers[index]];
          if (message !== undefined && reassembler !== undefined)
            yield { index, nodeId: nodes[index] ?? '', reassembler, message };
        }
    },
  };
}

function toCommit(nodeId: string, delta: WholeDelta): Commit {
  return { nodeId, epoch: 'bench', receivedAtMs: Date.now(), ...delta };
}

function cost(before: Mark, after: Mark): Mark {
  return { cpuMs: after.cpuMs - before.cpuMs, wallMs: after.wallMs - before.wallMs, events: after.events };
}
