import { fail, pass, unknownBecause } from '../../verdict.ts';
import { nodeCheck } from '../check.ts';
import { quoteList } from '../evidence-text.ts';
import { unseenReason } from './setting.ts';
import { parameterized } from '../parameter.ts';

const GIBIBYTE = 1024 ** 3;
/** More containers that do not run are not listed, and one of them may use an image. */
const LISTED_STOPPED = 1000;

/** Beyond the defaults, images are piling up: a node that is cleaned keeps a few versions of what it runs. */
const PARAMETERS = {
  maxImages: { doc: 'images without a container', default: 50, minimum: 0, maximum: 100_000 },
  maxGiB: { doc: 'their size, in GiB', default: 20, minimum: 0, maximum: 1_000_000 },
};

export const unusedImages = parameterized(PARAMETERS, ({ maxImages, maxGiB }) =>
  nodeCheck({
    id: 'daemon.unused-images',
    title: 'Few images are on the host without a container',
    failTitle: 'Unused images pile up on the host',
    judgedBy: 'effect',
    severity: 'low',
    rationale:
      'Each image on the host can be started by mistake, with the vulnerabilities of its day. Unused images also take room on the disk.',
    remediation:
      'Run docker image prune --all --filter until=168h, also regularly by a timer. It removes images that no container uses, running or not.',
    references: ['https://docs.docker.com/engine/manage-resources/pruning/'],
    judges: 'docker',
    needs: ['containers', 'docker'],
    judge: ({ containers, docker }) => {
      const { api, images, endpoint } = docker;
      if (api.state !== 'seen') return unknownBecause(unseenReason(api));
      if (images.state !== 'seen') return unknownBecause(unseenReason(images));
      if (containers.state !== 'seen') return unknownBecause(unseenReason(containers));
      const own = containers.value.filter(({ engine }) => engine === endpoint);
      if (own.filter(({ pid }) => pid === 0).length >= LISTED_STOPPED)
        return unknownBecause(
          `more than ${String(LISTED_STOPPED)} containers do not run, and not all of them are listed`,
        );
      const used = new Set(own.map(({ imageId }) => imageId));
      const unused = images.value.filter(({ id }) => !used.has(id));
      const bytes = unused.reduce((sum, image) => sum + image.bytes, 0);
      const largest = unused.toSorted((one, other) => other.bytes - one.bytes).slice(0, 5);
      const evidence = {
        source: images.source,
        seen: `${String(unused.length)} of ${String(images.value.length)} images unused, ${gibibytes(bytes)} with shared layers counted each time; largest: ${quoteList(largest.map(({ id, name }) => name || id.slice(7, 19)))}`,
        expected: `at most ${String(maxImages)} images, ${gibibytes(maxGiB * GIBIBYTE)}`,
      };
      return unused.length > maxImages || bytes > maxGiB * GIBIBYTE
        ? fail(`${String(unused.length)} images are used by no container (${gibibytes(bytes)})`, evidence)
        : pass(evidence);
    },
  }),
);

function gibibytes(bytes: number): string {
  return `${(bytes / GIBIBYTE).toFixed(1)} GiB`;
}
