import { fail, manual, pass } from '../../verdict.ts';
import type { Evidence } from '../../verdict.ts';
import { imageCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { parameterized } from '../parameter.ts';

/** References that the evidence names. */
const MAX_NAMED = 8;

export const approvedSource = parameterized(
  {
    approved: {
      doc: 'registries, or repositories in them, that images may come from, with the name of the registry: `ghcr.io/team`, `docker.io/library`',
      default: [] as readonly string[],
    },
  },
  ({ approved }) =>
    imageCheck({
      id: 'image.approved-source',
      title: 'Image comes from an approved registry',
      failTitle: 'Image does not come from an approved registry',
      judgedBy: 'configuration',
      severity: 'medium',
      rationale:
        'Whoever builds an image decides what runs in its containers. An image from a place that nobody approved, or one that was built or imported on the host, was not checked by anyone.',
      remediation:
        'Name the registries and repositories that you trust in the parameter approved of a profile. Push the image to one of them and start the container from there by digest. An image policy with the rule registry refuses other images before they start.',
      references: [
        'https://docs.docker.com/reference/cli/docker/image/pull/#pull-an-image-by-digest-immutable-identifier',
        'https://docs.docker.com/docker-hub/repos/manage/trusted-content/official-images/',
      ],
      judges: 'image',
      needs: [],
      judge: ({ id, name, tags, digests }) => {
        const evidence: Evidence = {
          source: `inspect RepoDigests of ${id}`,
          seen: digests.length === 0 ? 'none: not pulled from a registry' : quoteList(digests.slice(0, MAX_NAMED)),
          expected: approved.length === 0 ? 'a place that you approve' : `one of ${quoteList(approved)}`,
        };
        if (approved.length === 0)
          return manual('no approved registries are configured: is the place where the image comes from approved?', {
            ...evidence,
            seen: `${evidence.seen}; tags: ${quoteList(tags.length === 0 ? [name] : tags.slice(0, MAX_NAMED))}`,
          });
        // Anyone who may use the engine can give a local image any tag; a digest is recorded when it is pulled or pushed.
        const repositories = digests.map(repositoryOf);
        if (repositories.some((repository) => approved.some((place) => isWithin(repository, place))))
          return pass(evidence);
        return fail(
          digests.length === 0
            ? 'the image was built or imported on the host'
            : 'no approved registry or repository has the image',
          evidence,
        );
      },
    }),
);

/** `docker.io/library/nginx` of `nginx@sha256:…`: the complete name, as distribution/reference completes it. */
function repositoryOf(digest: string): string {
  const [repository = ''] = digest.split('@', 1);
  const slash = repository.indexOf('/');
  const first = repository.slice(0, Math.max(slash, 0));
  if (!/[.:]/.test(first) && first !== 'localhost') return `docker.io/${slash === -1 ? 'library/' : ''}${repository}`;
  const registry = first.toLowerCase();
  return `${registry === 'index.docker.io' ? 'docker.io' : registry}${repository.slice(slash)}`;
}

function isWithin(repository: string, place: string): boolean {
  const wanted = place.endsWith('/') ? place.slice(0, -1) : place;
  return repository === wanted || repository.startsWith(`${wanted}/`);
}
