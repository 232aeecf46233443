import { resolve } from 'node:path';
import { loadPolicies } from '../../image/policy/load-policies.ts';
import { readSnapshot } from '../../image/policy/snapshot-file.ts';
import { readPublicKeys } from '../../image/policy/snapshot-reader.ts';
import { parseSnapshot } from '../../policy/snapshot.ts';
import type { PolicySnapshot } from '../../policy/snapshot.ts';
import type { Schema } from '../../posture/schema.ts';
import { connect } from '../api/connect.ts';
import type { Context } from '../context.ts';
import { printError } from '../print-error.ts';

/** What `policy explain` decides by, and where it comes from. */
export interface ExplainedBy {
  readonly origin: 'files' | 'snapshot' | 'collector';
  readonly snapshot: PolicySnapshot;
}

const snapshotSchema: Schema<PolicySnapshot> = {
  shape: { kind: 'unknown', doc: '' },
  parse: (value) => parseSnapshot(value),
};

/** Policy files, a snapshot or the collector, as the options ask; undefined after the problem was printed. */
export async function readSources(context: Context): Promise<ExplainedBy | undefined> {
  const { args } = context;
  const files = args.values('policy');
  const directory = args.value('snapshot');
  if (files.length > 0 && directory !== undefined) {
    await printError(context, 'policies come from --policy or from --snapshot, not from both');
    return undefined;
  }
  if (files.length > 0) return fromFiles(context, files);
  return directory === undefined ? fromCollector(context) : fromSnapshot(context, directory);
}

async function fromFiles(context: Context, files: readonly string[]): Promise<ExplainedBy | undefined> {
  const loaded = await loadPolicies(files.map((path) => resolve(context.workingDirectory, path)));
  if (!loaded.ok) {
    for (const { source, problem } of loaded.problems) await printError(context, `${source}: ${problem}`);
    return undefined;
  }
  const { policies, podPolicies, containerPolicies } = loaded;
  const head = { version: 1, collector: '', issuedAt: 0, byDigest: new Map(), byTag: new Map() };
  return { origin: 'files', snapshot: { ...head, policies, podPolicies, containerPolicies } };
}

async function fromSnapshot(context: Context, directory: string): Promise<ExplainedBy | undefined> {
  const { args, workingDirectory, clock } = context;
  const keyFile = args.value('snapshot-key');
  if (keyFile === undefined) {
    const hint = 'it is key.pub beside the snapshot of the collector, and GET /v1/policies/snapshot-key';
    await printError(context, '--snapshot needs --snapshot-key: the public key of the collector', hint);
    return undefined;
  }
  const keys = await readPublicKeys(resolve(workingDirectory, keyFile));
  if (!keys.ok) {
    await printError(context, `${keyFile} ${keys.reason}`);
    return undefined;
  }
  const trust = { keys: keys.keys, minVersion: 0 };
  const { signal } = new AbortController();
  const opened = await readSnapshot(resolve(workingDirectory, directory), trust, { clock, signal });
  if (opened.ok) return { origin: 'snapshot', snapshot: opened.snapshot };
  await printError(context, `the snapshot in ${directory} cannot be used: ${opened.reason}`);
  return undefined;
}

async function fromCollector(context: Context): Promise<ExplainedBy | undefined> {
  const client = await connect(context.settings, new AbortController().signal);
  const answer = client.ok ? await client.value.get('/v1/policies/snapshot', snapshotSchema) : client;
  if (answer.ok) return { origin: 'collector', snapshot: answer.value };
  const { message, hint } = answer.problem;
  await printError(context, message, ...(hint === '' ? [] : [hint]), 'or name policy files: --policy FILE');
  return undefined;
}
