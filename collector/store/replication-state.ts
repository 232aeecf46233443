import type { DatabaseSync } from 'node:sqlite';
import type { Commit } from './store.ts';

/** The replication state of one node, with the sums over its findings. */
export interface NodeStream {
  readonly key: number;
  readonly id: string;
  readonly name: string;
  readonly epoch: string;
  readonly sequence: number;
  /** 1: all findings of the node were stored once; 0: at most single changes. */
  readonly hasSnapshot: 0 | 1;
  digest: number;
  findings: number;
}

/** Access to the streams of nodes. */
export interface ReplicationTable {
  /** Undefined for a node that was never seen. */
  readonly find: (nodeId: string) => NodeStream | undefined;
  /** As `find`; a node that was never seen is entered. */
  readonly open: (nodeId: string) => NodeStream;
  /** Moves the stream to where `commit` takes it. */
  readonly advance: (stream: NodeStream, commit: Commit) => void;
}

/** Prepares the statements. */
export function prepareReplicationTable(db: DatabaseSync): ReplicationTable {
  const select = db.prepare(
    'SELECT key, id, name, epoch, sequence, has_snapshot AS hasSnapshot, digest, findings FROM node WHERE id = ?',
  );
  const insert = db.prepare('INSERT INTO node (id, name) VALUES (?1, ?1)');
  const update = db.prepare(
    'UPDATE node SET epoch = ?, sequence = ?, has_snapshot = ?, digest = ?, findings = ? WHERE key = ?',
  );
  const find = (nodeId: string): NodeStream | undefined => select.get(nodeId) as unknown as NodeStream | undefined;
  return {
    find,
    open: (nodeId) => {
      const found = find(nodeId);
      if (found !== undefined) return found;
      const key = Number(insert.run(nodeId).lastInsertRowid);
      return { key, id: nodeId, name: nodeId, epoch: '', sequence: 0, hasSnapshot: 0, digest: 0, findings: 0 };
    },
    advance: (stream, commit) => {
      update.run(
        commit.epoch,
        commit.sequence,
        commit.snapshot ? 1 : stream.hasSnapshot,
        stream.digest,
        stream.findings,
        stream.key,
      );
    },
  };
}
