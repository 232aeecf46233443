import { useEffect, useRef } from 'preact/hooks';
import { nodeList } from '../../api/node.ts';
import { safe } from '../../api/safe.ts';
import { announcement, changeOfEvent, changeOfNode } from '../fleet/change.ts';
import type { Change } from '../fleet/change.ts';
import { reduceFleet, withNodes } from '../fleet/fleet.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { useLive, useReloadOn } from '../hook/use-live.ts';
import { useLoad } from '../hook/use-load.ts';
import { useServices } from '../services.ts';

/** Changes within this time are announced to screen readers in one sentence. */
const ANNOUNCE_EVERY_MS = 5000;
/** Counts of all nodes are read again at most so often. */
const COUNT_EVERY_MS = 3000;
/** A node that falls silent sends no event: the collector notices within its heartbeats. */
const PRESENCE_MS = 30_000;

/** Keeps the fleet up to date for all views, and says what changed. Draws nothing. */
export function FleetKeeper(): null {
  const { api, fleet, announce } = useServices();
  const nodes = useLoad('nodes', (signal) => api.get('/v1/nodes', nodeList, signal), PRESENCE_MS);
  useEffect(() => {
    if (nodes.value !== undefined) fleet.set(withNodes(fleet.get(), nodes.value.nodes));
  }, [nodes.value, fleet]);
  useReloadOn(
    (item) => item.type === 'finding' || (item.type === 'node' && isNew(fleet.get(), item.node.id)),
    nodes.reload,
    COUNT_EVERY_MS,
  );
  const pending = useRef<Change[]>([]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLive((item) => {
    const before = fleet.get();
    fleet.set(reduceFleet(before, item, Date.now()));
    const known = item.type === 'node' ? before.nodes.find(({ id }) => id === item.node.id) : undefined;
    if (item.type === 'finding') pending.current.push(changeOfEvent(item.event));
    else if (item.type === 'node' && known?.connected === !item.node.connected)
      pending.current.push(changeOfNode(item.node, Date.now()));
    else return;
    timer.current ??= setTimeout(() => {
      announce(safe(announcement(pending.current)));
      pending.current = [];
      timer.current = undefined;
    }, ANNOUNCE_EVERY_MS);
  });
  return null;
}

function isNew({ nodes }: Fleet, nodeId: string): boolean {
  return nodes.every(({ id, counts }) => id !== nodeId || counts === undefined);
}
