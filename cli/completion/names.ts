import { nodeList } from '../../api/node.ts';
import { connect } from '../api/connect.ts';
import { readContainers } from '../api/findings.ts';
import { EXIT_FAILURE, EXIT_OK } from '../command.ts';
import type { Context } from '../context.ts';
import { loadSettingsOf } from '../load-settings.ts';

/** How long a person waits for a completion. */
const DEADLINE_MS = 2_000;
/** Names come from nodes: only characters that mean nothing to any shell are offered. */
const HARMLESS = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Prints the names of nodes or containers, one per line, for completion scripts. Silent where they cannot be read. */
export async function printNames(context: Context, kind: 'node' | 'container'): Promise<number> {
  const loaded = await loadSettingsOf(['client'], {}, context);
  if (!loaded.ok) return EXIT_FAILURE;
  const client = await connect(loaded.settings, AbortSignal.timeout(DEADLINE_MS));
  if (!client.ok) return EXIT_FAILURE;
  const nodes = kind === 'node' ? await client.value.get('/v1/nodes', nodeList) : undefined;
  const containers = kind === 'container' ? await readContainers(client.value, []) : undefined;
  const found = [
    ...(nodes?.ok === true ? nodes.value.nodes : []),
    ...(containers?.ok === true ? containers.value : []),
  ].map(({ name }) => name);
  const names = [...new Set(found)].filter((name) => HARMLESS.test(name)).toSorted();
  await context.stdout.write(names.map((name) => `${name}\n`).join(''));
  return EXIT_OK;
}
