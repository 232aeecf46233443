import {
  announcement,
  exposureList,
  rollout,
  rolloutList,
  rolloutPause,
  rolloutReport,
  rolloutState,
  successorSearch,
} from '../../../api/rollout.ts';
import type { Rollout } from '../../../api/rollout.ts';
import type { ImageState } from '../../../policy/rollout/exposure.ts';
import { isDigest, isTag, parseReference } from '../../../policy/reference.ts';
import * as s from '../../../posture/schema.ts';
import { listExposures } from '../../image/exposures.ts';
import type { RolloutState } from '../../remediation/rollout-records.ts';
import { text } from '../parameter.ts';
import { answer, callerOf, jsonRoute, refuse } from '../route.ts';
import { NO_POLICIES } from './policies.ts';

/** GET /v1/rollouts/exposure */
export const listExposure = jsonRoute({
  method: 'GET',
  path: '/v1/rollouts/exposure',
  operation: 'listExposure',
  summary: 'Images with their containers and vulnerabilities, for plimsoll rollout',
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

/** GET /v1/rollouts */
export const listRollouts = jsonRoute({
  method: 'GET',
  path: '/v1/rollouts',
  operation: 'listRollouts',
  summary: 'Rollouts, planned and completed',
  description:
    'What `plimsoll rollout` reported last for each workload that a policy is for, and the steps of earlier rollouts; how ' +
    'much of the budgets of the policies is used, and when their maintenance windows open and close.',
  refuses: ['notFound'],
  answer: rolloutList,
  handle: (_input, { rollouts }) => {
    if (rollouts === undefined) return NO_POLICIES;
    const { isPaused, plannedMs, rollouts: all, budgets, windows } = rollouts.list();
    return answer({
      isPaused,
      plannedMs: plannedMs ?? undefined,
      rollouts: all.map(presentRollout),
      budgets: budgets.map(({ freesMs, ...one }) => Object.assign(one, { freesMs: freesMs ?? undefined })),
      windows: windows.map(({ changesMs, ...one }) => Object.assign(one, { changesMs: changesMs ?? undefined })),
    });
  },
});

/** An absent time is left out. */
function presentProgress({ recent, ...rest }: RolloutState) {
  return { ...rest, recent: recent.map((one) => ({ ...one, failedMs: one.failedMs ?? undefined })) };
}

function presentRollout({ decision, ...rest }: Rollout) {
  return Object.assign(rest, { decision: decision ?? undefined });
}

/** POST /v1/rollouts/{id}/decision */
export const decideRollout = jsonRoute({
  method: 'POST',
  path: '/v1/rollouts/{id}/decision',
  operation: 'decideRollout',
  summary: 'Approves or rejects a rollout',
  description:
    'For what is planned. The id identifies policy, workload, action and images, so an approval is for exactly that, and ' +
    'counts once. A rejected step stays rejected until it is approved.',
  refuses: ['notFound', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  params: s.object({ id: text('id of the rollout', 64) }),
  body: s.object({ decision: s.oneOf(['approved', 'rejected']) }),
  answer: rollout,
  handle: async ({ params: { id }, body: { decision }, principal, address }, { rollouts }) => {
    if (rollouts === undefined) return NO_POLICIES;
    const decided = await rollouts.decide(id, decision, callerOf({ principal, address }).slice(0, 512));
    return decided === undefined
      ? refuse('notFound', `no rollout ${JSON.stringify(id)} is planned`, 'list them: plimsoll rollouts')
      : answer(presentRollout(decided));
  },
});

/** POST /v1/rollouts/pause */
export const pauseRollouts = jsonRoute({
  method: 'POST',
  path: '/v1/rollouts/pause',
  operation: 'pauseRollouts',
  summary: 'Pauses or resumes all rollouts',
  description:
    'While they are paused no rollout and no response begins. Those that run are still watched, and rolled back if they ' +
    'fail.',
  refuses: ['notFound', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: s.object({ isPaused: s.boolean('false: resume') }),
  answer: rolloutPause,
  handle: async ({ body: { isPaused }, principal, address }, { rollouts }) => {
    if (rollouts === undefined) return NO_POLICIES;
    await rollouts.setPaused(isPaused, callerOf({ principal, address }).slice(0, 512));
    return answer({ isPaused });
  },
});

/** GET /v1/rollouts/state */
export const getRolloutState = jsonRoute({
  method: 'GET',
  path: '/v1/rollouts/state',
  operation: 'getRolloutState',
  summary: 'Decisions and pauses, for plimsoll rollout',
  description:
    'Decisions of people that are not used yet, whether rollouts are paused, and which webhooks have answered.',
  refuses: ['notFound'],
  answer: rolloutState,
  handle: (_input, { rollouts }) => (rollouts === undefined ? NO_POLICIES : answer(presentProgress(rollouts.state()))),
});

/** POST /v1/rollouts/report */
export const reportRollouts = jsonRoute({
  method: 'POST',
  path: '/v1/rollouts/report',
  operation: 'reportRollouts',
  summary: 'Reports a plan and steps of rollouts',
  description: 'For `plimsoll rollout`. Each step is an event (OCSF Remediation Activity). A step is recorded once.',
  refuses: ['notFound', 'invalidRequest', 'tooLarge', 'unsupportedMediaType'],
  body: rolloutReport,
  answer: rolloutState,
  handle: async ({ body, principal, address }, { rollouts }) => {
    if (rollouts === undefined) return NO_POLICIES;
    await rollouts.report(body, callerOf({ principal, address }).slice(0, 512));
    return answer(presentProgress(rollouts.state()));
  },
});
