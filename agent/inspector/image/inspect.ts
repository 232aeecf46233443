import { absent, mapObserved, seen, unreadable } from '../../../posture/observed.ts';
import type { Observed } from '../../../posture/observed.ts';
import type { Facts } from '../../../posture/fact/facts.ts';
import type { ImageFact, ImagesFact } from '../../../posture/fact/image.ts';
import type { ContainerRuntime } from '../../runtime/runtime.ts';
import type { NodeAccess } from '../../node-access.ts';
import type { Inspector } from '../inspector.ts';
import { mapBounded } from '../map-bounded.ts';
import { observeReply } from '../runtime-reply.ts';
import { historySchema, imageSchema, toHistory, toImage } from './parse.ts';

const CONCURRENCY = 6;
const SOURCE = 'GET /images/json';

/**
 * The images that running containers use. An image is named by the digest of its content, so one that is among the
 * `known` images is taken from there; only its tags can have moved since.
 */
export const imageInspector: Inspector<'images'> = {
  fact: 'images',
  needs: ['containers'],
  inspect: inspectImages,
  watches: () => [],
};

async function inspectImages({ runtime }: NodeAccess, { containers, images }: Partial<Facts>): Promise<ImagesFact> {
  if (containers === undefined) return unreadable(SOURCE, 'the containers that use them are not known');
  if (containers.state !== 'seen') return containers;
  const ids = [...new Set(containers.value.map(({ imageId }) => imageId))].filter((id) => id !== '');
  const before = new Map(images?.state === 'seen' ? images.value.map((image) => [image.id, image]) : []);
  const answers = await mapBounded(ids, CONCURRENCY, (id) => inspectImage(runtime, id, before.get(id)));
  const found: ImageFact[] = [];
  for (const answer of answers) {
    // Removed by force while its container still runs: there is nothing left to judge.
    if (answer.state === 'absent') continue;
    // A list without it would look as if it were not in use.
    if (answer.state === 'unreadable') return answer;
    found.push(answer.value);
  }
  return seen(found, SOURCE);
}

async function inspectImage(
  runtime: ContainerRuntime,
  id: string,
  before: ImageFact | undefined,
): Promise<Observed<ImageFact>> {
  if (before?.history.state === 'seen') return seen(before, `GET /images/${id}/json`);
  const [inspected, history] = await Promise.all([runtime.inspectImage(id), runtime.imageHistory(id)]);
  const image = observeReply(inspected, imageSchema, `GET /images/${id}/json`);
  if (image.state !== 'seen') return image.state === 'absent' ? absent(image.source) : image;
  const steps = mapObserved(observeReply(history, historySchema, `GET /images/${id}/history`), toHistory);
  return mapObserved(image, (value) => ({ ...toImage(value), history: steps }));
}
