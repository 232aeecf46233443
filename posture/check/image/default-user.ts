import { fail, pass } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quote } from '../evidence-text.ts';
import { isRootUser } from '../user.ts';

export const defaultUser = imageCheck({
  id: 'image.default-user',
  title: 'Images name a user that is not root',
  severity: 'medium',
  rationale:
    'What the image says is what runs when nobody says otherwise: an image without a user makes every container of it root.',
  remediation:
    'Create a user in the Dockerfile and end with USER 10001:10001; a number can also be verified by runAsNonRoot.',
  references: ['https://docs.docker.com/build/building/best-practices/#user'],
  judges: 'image',
  needs: [],
  judge: ({ id, user }) => {
    const evidence = {
      source: `inspect ${quote(id)} Config.User`,
      seen: user === '' ? 'not set, so root' : quote(user),
      expected: 'a user that is not root',
    };
    return isRootUser(user) ? fail(evidence) : pass(evidence);
  },
});
