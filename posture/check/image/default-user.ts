import type { ContainerFact, ContainersFact } from '../../fact/container.ts';
import { imageSourceOf } from '../../fact/image.ts';
import type { ImageFact } from '../../fact/image.ts';
import { fail, pass, unknownBecause } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { isRootUser } from '../user.ts';

export const defaultUser = imageCheck({
  id: 'image.default-user',
  title: 'Image user is not root',
  failTitle: 'Image user is root',
  judgedBy: 'configuration',
  severity: 'medium',
  rationale:
    'The user of the image applies unless the container sets another one: without it, every container of the image runs as root.',
  remediation: 'Create a user in the Dockerfile and end with USER 10001:10001. runAsNonRoot can verify a number.',
  references: ['https://docs.docker.com/build/building/best-practices/#user'],
  judges: 'image',
  needs: ['containers'],
  judge: (image, { containers }) => {
    const { user } = image;
    const evidence = {
      source: imageSourceOf(image, 'user'),
      seen: user === '' ? 'not set, so root' : quote(user),
      expected: 'a user that is not root',
    };
    if (isRootUser(user)) return fail(`containers of the image run as root unless they set a user`, evidence);
    if (/^\+?\d+(?::|$)/.test(user)) return pass(evidence);
    const shown = processesOf(image, containers);
    const root = shown.find(({ isRoot }) => isRoot);
    if (root !== undefined) return fail(`the user ${quote(user)} of the image is root`, root.evidence, evidence);
    const other = shown[0];
    if (other !== undefined) return pass(other.evidence, evidence);
    return unknownBecause('the user is a name, and no running container shows its id', evidence);
  },
});

interface Shown {
  readonly isRoot: boolean;
  readonly evidence: Evidence;
}

/** The users of the first processes of containers that run with the user of the image. */
function processesOf({ id, user }: ImageFact, containers: ContainersFact): readonly Shown[] {
  if (containers.state !== 'seen') return [];
  return containers.value.flatMap((container) => {
    const { imageId, declared, uid } = container;
    if (imageId !== id || declared.user !== user || uid.state !== 'seen') return [];
    const isRoot = insideUid(container, uid.value) === 0;
    const seen = `Uid: ${String(uid.value)}`;
    return [{ isRoot, evidence: { source: uid.source, seen, expected: 'a user other than root' } }];
  });
}

/** The user as the container counts: its map, where it has one of its own, makes root another user of the node. */
function insideUid({ uidMap }: ContainerFact, uid: number): number {
  if (uidMap.state !== 'seen') return uid;
  const line = uidMap.value.find(({ outside, count }) => uid >= outside && uid < outside + count);
  return line === undefined ? uid : uid - line.outside + line.inside;
}
