import { seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import { isRunning } from '../../../posture/fact/container.ts';
import type { ContainerFact } from '../../../posture/fact/container.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { Unobserved } from '../../../posture/fact/unobserved.ts';
import type { ImageFact, ImagesFact } from '../../../posture/fact/image.ts';
import { observeReply } from '../../runtime/runtime.ts';
import type { ContainerRuntime } from '../../runtime/runtime.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { Inspector } from '../inspector.ts';
import { mapBounded } from '../map-bounded.ts';

const CONCURRENCY = 6;
const SOURCE = 'images of running containers';

/**
 * The images that running containers use. An image is named by the digest of its content, so one that is among the
 * `known` images is taken from there; only its tags can have moved since. One that cannot be inspected is left out and
 * noted among the failed looks.
 */
export const imageInspector: Inspector<'images'> = {
  fact: 'images',
  needs: ['containers'],
  inspect: inspectImages,
  watches: () => [],
};

async function inspectImages(access: NodeAccess, { containers, images }: Partial<Facts>): Promise<ImagesFact> {
  const { runtime, engines, failedLooks, now } = access;
  if (containers === undefined) return unreadable(SOURCE, 'the containers that use them are not known');
  if (containers.state !== 'seen') return containers;
  const ids = imagesOf(containers.value, failedLooks.list());
  const before = new Map(images?.state === 'seen' ? images.value.map((image) => [image.id, image]) : []);
  const runtimes = [runtime, ...(await engines.others(access.host))];
  const users = new Map(containers.value.map(({ imageId, engine }) => [imageId, engine]));
  const runtimeOf = (id: string): ContainerRuntime =>
    runtimes.find(({ endpoint }) => endpoint === users.get(id)) ?? runtime;
  const answers = await mapBounded(ids, CONCURRENCY, (id) => inspectImage(runtimeOf(id), id, before.get(id)));
  for (const { endpoint } of runtimes) failedLooks.keepOnly('image', endpoint, new Set(ids));
  const found: ImageFact[] = [];
  for (const [index, answer] of answers.entries()) {
    const id = ids[index] ?? '';
    if (answer.state === 'unreadable') {
      const reason = `${answer.source}: ${answer.reason}`;
      const name = before.get(id)?.name ?? '';
      failedLooks.record(
        { kind: 'image', id, name, imageId: '', pid: 0, engine: runtimeOf(id).endpoint, reason },
        now(),
      );
      continue;
    }
    failedLooks.clear('image', id);
    // Removed by force while its container still runs: there is nothing left to judge.
    if (answer.state === 'seen') found.push(answer.value);
  }
  return seen(found, SOURCE);
}

/** Ids of the images that running containers use, those that could not be inspected among them; each once. */
export function imagesOf(
  containers: readonly Pick<ContainerFact, 'imageId' | 'state'>[],
  unobserved: readonly Unobserved[],
): readonly string[] {
  const users = [...containers.filter(isRunning), ...unobserved.filter(({ kind }) => kind === 'container')];
  return [...new Set(users.map(({ imageId }) => imageId))].filter((id) => id !== '');
}

async function inspectImage(
  runtime: ContainerRuntime,
  id: string,
  before: ImageFact | undefined,
): Promise<Observed<ImageFact>> {
  if (before?.history.state === 'seen') return seen(before, before.history.source);
  return observeReply(await runtime.inspectImage(id));
}
