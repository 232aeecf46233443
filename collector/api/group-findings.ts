import type { FindingGroup, FindingGroups, GroupBy } from '../../api/finding.ts';
import type { FindingFilter, FindingGroup as StoredGroup, NodeContainer, Store } from '../store/store.ts';
import { presentCounts } from './present.ts';
import type { Sent } from './route.ts';

/** Groups of containers and images that are read to be added up by image. */
const MAX_SUBJECTS = 10_000;

/** The findings that match, counted by what they have in common; at most `limit` groups, worst first. */
export async function groupFindings(
  store: Store,
  filter: Omit<FindingFilter, 'limit'>,
  { by, limit }: { readonly by: GroupBy; readonly limit: number },
): Promise<Sent<FindingGroups>> {
  if (by === 'image') return groupByImage(store, filter, limit);
  const kinds = filter.subjectKinds ?? ['container'];
  const wanted =
    by === 'container'
      ? ({ ...filter, subjectKinds: kinds.filter((kind) => kind === 'container'), by: 'subject' } as const)
      : ({ ...filter, by } as const);
  const groups = (await store.findingGroups({ ...wanted, limit: limit + 1 })).map(
    ({ check, nodeId, nodeName, subject, statusCounts }) => ({
      check,
      nodeId,
      nodeName,
      subject,
      counts: presentCounts(statusCounts),
    }),
  );
  return { groups: groups.slice(0, limit), more: groups.length > limit };
}

async function groupByImage(
  store: Store,
  filter: Omit<FindingFilter, 'limit'>,
  limit: number,
): Promise<Sent<FindingGroups>> {
  const kinds = filter.subjectKinds ?? ['container', 'image'];
  const subjectKinds = kinds.filter((kind) => kind === 'container' || kind === 'image');
  const [nodes, groups] = await Promise.all([
    store.nodes(),
    store.findingGroups({ ...filter, subjectKinds, by: 'subject', limit: MAX_SUBJECTS }),
  ]);
  const containers = new Map(
    nodes.flatMap((node) => node.containers.map((container) => [`${node.id} ${container.id}`, container] as const)),
  );
  const images = Map.groupBy(groups, (group) => imageIdOf(group, containers));
  const counted = [...images]
    .filter(([id]) => id !== undefined && id !== '')
    .map(([id = '', members]) => ({
      image: { id, name: nameOf(members, containers) },
      counts: presentCounts(members.flatMap(({ statusCounts }) => statusCounts)),
    }))
    .toSorted((one, other) => compareCounts(one.counts, other.counts));
  return { groups: counted.slice(0, limit), more: counted.length > limit || groups.length === MAX_SUBJECTS };
}

function imageIdOf(
  { nodeId = '', subject }: StoredGroup,
  containers: ReadonlyMap<string, NodeContainer>,
): string | undefined {
  return subject?.kind === 'image' ? subject.id : containers.get(`${nodeId} ${subject?.id ?? ''}`)?.imageId;
}

/** The name that the engine gives the image itself, otherwise a reference that a container was started from. */
function nameOf(groups: readonly StoredGroup[], containers: ReadonlyMap<string, NodeContainer>): string {
  const image = groups.find(({ subject }) => subject?.kind === 'image');
  if (image !== undefined) return image.subject?.name ?? '';
  const [first] = groups;
  return containers.get(`${first?.nodeId ?? ''} ${first?.subject?.id ?? ''}`)?.image ?? '';
}

function compareCounts(one: FindingGroup['counts'], other: FindingGroup['counts']): number {
  const ranks = ({ failures, verdicts }: FindingGroup['counts']): readonly number[] => [
    failures.critical,
    failures.high,
    failures.medium,
    failures.low,
    failures.info,
    verdicts.unknown,
    verdicts.manual,
  ];
  const [mine, theirs] = [ranks(one), ranks(other)];
  const place = mine.findIndex((value, index) => value !== theirs[index]);
  return place === -1 ? 0 : (theirs[place] ?? 0) - (mine[place] ?? 0);
}
