import { announcement, exposureList, successorSearch } from '../../../api/rollout.ts';
import type { ImageState } from '../../../policy/rollout/exposure.ts';
import { isDigest, isTag, parseReference } from '../../../policy/reference.ts';
import * as s from '../../../posture/schema.ts';
import { listExposures } from '../../image/exposures.ts';
import { text } from '../parameter.ts';
import { answer, callerOf, jsonRoute, refuse } from '../route.ts';
import { NO_POLICIES } from './policies.ts';

/** GET /v1/rollouts/exposure */
export const listExposure = jsonRoute({
  method: 'GET',
  path: '/v1/rollouts/exposure',
  operation: 'listExposure',
  summary: 'What rollouts decide by',
  description:
    'Every image of the fleet with its running containers and the vulnerabilities that count. `plimsoll rollout` reads it.',
  refuses: ['notFound'],
  answer: exposureList,
  handle: async (_input, sources) => {
    const { policies, store } = sources;
    if (policies === undefined) return NO_POLICIES;
    const exposures = await listExposures({ ...sources, images: store.images, policies });
    return answer({
      images: exposures.map(({ imageId, digests, containers, source, ...state }) =>
        Object.assign(presentState(state), { id: imageId, digests, containers, source }),
      ),
    });
  },
});

/** POST /v1/rollouts/successors */
export const findSuccessors = jsonRoute({
  method: 'POST',
  path: '/v1/rollouts/successors',
  operation: 'findSuccessors',
  summary: 'Images that could replace another',
  description:
    'Looks for successors of an image in its repository, by the rules of a RolloutPolicy, and judges them by the image ' +
    'policies. A candidate that is not judged yet is scanned: ask again.',
  refuses: ['notFound', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({
    image: text('reference of the image that runs', 1024),
    namespace: s.string('namespace that the successor is to run in', 253),
    digests: s.list(s.string('', 256), 'digests of the image that runs', 256),
    rules: s.list(
      s.object({
        type: s.oneOf(['sameTag', 'tagPattern', 'announced']),
        pattern: s.nullable(s.string('', 512)),
        order: s.oneOf(['semver', 'dpkg']),
      }),
      'as in a RolloutPolicy',
      8,
    ),
  }),
  answer: successorSearch,
  handle: async ({ body: { image, ...request } }, { policies }) => {
    if (policies === undefined) return NO_POLICIES;
    const reference = parseReference(image);
    if (!reference.ok) return refuse('invalidRequest', `image: ${reference.reason}`);
    const { candidates, problem } = await policies.findSuccessors({ ...request, reference: reference.value });
    return answer({
      problem,
      candidates: candidates.map((one) => Object.assign(one, presentState(one))),
    });
  },
});

function presentState({ vulnerabilities, endOfLifeMs }: ImageState) {
  return {
    endOfLifeMs,
    vulnerabilities: vulnerabilities.map(({ isExploited, isFixable, hasExpiredWaiver, ...one }) => ({
      ...one,
      exploited: isExploited,
      fixable: isFixable,
      expiredWaiver: hasExpiredWaiver,
    })),
  };
}

/** POST /v1/images/announcements */
export const announceImage = jsonRoute({
  method: 'POST',
  path: '/v1/images/announcements',
  operation: 'announceImage',
  summary: 'Announces an image that replaces others',
  description:
    'For pipelines: the image is a candidate of rollouts with the successor `announced`. It is scanned and judged like ' +
    'any other; an announcement allows nothing.',
  refuses: ['notFound', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({
    image: text('reference with a digest', 1024),
    replaces: s.withDefault(
      s.list(text('', 256), 'tags or digests of the same repository; default: its own tag', 64),
      [],
    ),
  }),
  answer: announcement,
  handle: async ({ body: { image, replaces }, principal, address }, { policies, clock }) => {
    if (policies === undefined) return NO_POLICIES;
    const reference = parseReference(image);
    if (!reference.ok) return refuse('invalidRequest', `image: ${reference.reason}`);
    if (reference.value.digest === undefined)
      return refuse('invalidRequest', 'image: must name a digest: a tag can be moved', 'write it as NAME:TAG@sha256:…');
    if (replaces.length === 0 && reference.value.tag === undefined)
      return refuse('invalidRequest', 'image: names no tag, so replaces must say which images it replaces');
    const wrong = replaces.find((one) => !isDigest(one) && !isTag(one));
    if (wrong !== undefined)
      return refuse('invalidRequest', 'replaces: expected tags or digests of the repository of the image');
    const by = callerOf({ principal, address }).slice(0, 512);
    const announced = { reference: image, replaces, announcedMs: clock.now(), by };
    await policies.announce(announced);
    return answer(announced);
  },
});
