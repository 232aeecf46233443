import { fixList, imageDetail, imageList } from '../../../api/image.ts';
import * as s from '../../../posture/schema.ts';
import { listFixes as fixesOf } from '../../image/fixes.ts';
import { contentOf, knowledgeOf, listImages as imagesOf } from '../../image/fleet-images.ts';
import type { FleetImage } from '../../image/fleet-images.ts';
import type { StoredClaim } from '../../store/image-store.ts';
import { presentVerdicts } from './policies.ts';
import { flag, numeric, text } from '../parameter.ts';
import { presentSuppression } from '../present.ts';
import { answer, jsonRoute, refuse } from '../route.ts';
import type { ApiSources } from '../route.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const MAX_NAMES = 1000;
const MAX_CONTAINERS = 100_000;
const MAX_ROWS = 50_000;
const MAX_GAPS = 1000;
const MAX_NODES = 100;

/** GET /v1/images */
export const listImages = jsonRoute({
  method: 'GET',
  path: '/v1/images',
  operation: 'listImages',
  summary: 'Images of running containers',
  description:
    'Every image that a running container uses, by the risk of its vulnerabilities, and how much of it is known. An image ' +
    'is only without vulnerabilities where its `state` is `complete`.',
  refuses: ['invalidRequest'],
  query: s.object({
    text: s.nullable(text('part of a reference or of the id; case does not matter', 256)),
    unused: s.withDefault(
      flag('also images that no container runs: images at rest, and those that ran a day ago'),
      false,
    ),
    limit: s.withDefault(numeric('', 1, MAX_LIMIT), DEFAULT_LIMIT),
    cursor: s.nullable(numeric('of the page before', 0)),
  }),
  answer: imageList,
  handle: async ({ query }, sources) => {
    const wanted = query.text?.toLowerCase() ?? '';
    const found = (await imagesOf(imageSources(sources), { unused: true })).filter(({ id, names }) =>
      [id, ...names].some((name) => name.toLowerCase().includes(wanted)),
    );
    const all = found.filter(({ containers }) => query.unused || containers > 0);
    const start = query.cursor ?? 0;
    const end = start + query.limit;
    return answer({
      database: sources.database(),
      notListed: found.length - all.length,
      images: all.slice(start, end).map((image) => presentImage(image, movedTags(sources, image.id))),
      ...(end < all.length && { cursor: String(end) }),
    });
  },
});

/** GET /v1/images/{image} */
export const getImage = jsonRoute({
  method: 'GET',
  path: '/v1/images/{image}',
  operation: 'getImage',
  summary: 'One image',
  description:
    'The running containers of an image on all nodes, its packages, their vulnerabilities with the versions that fix ' +
    'them, and what is not known of it.',
  refuses: ['notFound', 'invalidRequest'],
  params: s.object({ image: text('id of the image: `sha256:…`', 256) }),
  answer: imageDetail,
  handle: async ({ params: { image: id } }, sources) => {
    const { running, store, database } = sources;
    const claims = await store.images.claims(id);
    const containers = running.containersOf(id);
    if (containers.length === 0 && claims.length === 0)
      return refuse(
        'notFound',
        `no container runs an image ${JSON.stringify(id)}`,
        'GET /v1/images lists the images that run',
      );
    const { inventories, source, state, reason, conflict, distribution, atRest, tags } = knowledgeOf(
      claims,
      await store.images.inventories(),
      database(),
    );
    const digests = inventories.map(({ digest }) => digest);
    const [content, vulnerabilities, unjudged, fixes] = await Promise.all([
      contentOf(store.images, digests),
      store.images.vulnerabilitiesOf(digests),
      store.images.unjudgedOf(digests),
      fixesOf(imageSources(sources), id),
    ]);
    return answer({
      id,
      names: containers.length > 0 ? [...new Set(containers.map(({ image }) => image))].slice(0, MAX_NAMES) : tags,
      containers: containers.slice(0, MAX_CONTAINERS),
      source,
      state,
      reason,
      conflict,
      atRest,
      distribution,
      database: database(),
      inventories: inventories.map(({ digest, packages, source: place }) => ({
        digest,
        source: place,
        packages,
        nodes: nodesOf(claims, digest),
      })),
      packages: content.packages
        .slice(0, MAX_ROWS)
        .map(({ type, name, version, architecture, path }) => ({ type, name, version, architecture, path })),
      vulnerabilities: vulnerabilities
        .slice(0, MAX_ROWS)
        .map((one) => Object.assign(one, { suppressed: sources.suppressionIn(id, one) }))
        .map(({ package: found, vulnerability, status, fixedVersion, firstSeenMs, suppressed }) => ({
          suppressed: presentSuppression(suppressed),
          id: vulnerability.id,
          severity: vulnerability.severity,
          risk: vulnerability.risk,
          exploited: vulnerability.kev !== undefined,
          epss: vulnerability.epss?.score,
          package: found.name,
          version: found.version,
          status,
          fixedVersion,
          summary: vulnerability.summary,
          firstSeenMs,
        })),
      unjudged: unjudged
        .slice(0, MAX_ROWS)
        .map(({ package: found, reason: why }) => ({ package: found.name, version: found.version, reason: why })),
      gaps: content.gaps.slice(0, MAX_GAPS),
      setuid: content.setuid
        .slice(0, MAX_GAPS)
        .map(({ path, mode }) => ({ path, mode: mode.toString(8).padStart(4, '0') })),
      fixes: fixes.slice(0, MAX_LIMIT),
      tags: sources.policies?.tagsOf(id) ?? [],
      verdicts: presentVerdicts(sources, id),
    });
  },
});

/** GET /v1/fixes */
export const listFixes = jsonRoute({
  method: 'GET',
  path: '/v1/fixes',
  operation: 'listFixes',
  summary: 'Upgrades, those that remove most risk first',
  description:
    'Upgrades of packages in images that run, by the risk that they remove: the sum of the risks of the vulnerabilities ' +
    'that the upgrade fixes, times the running containers of the image.',
  refuses: ['invalidRequest'],
  query: s.object({
    image: s.nullable(text('id of one image', 256)),
    limit: s.withDefault(numeric('', 1, MAX_LIMIT), DEFAULT_LIMIT),
  }),
  answer: fixList,
  handle: async ({ query }, sources) => {
    const fixes = await fixesOf(imageSources(sources), query.image ?? undefined);
    return answer({ database: sources.database(), fixes: fixes.slice(0, query.limit) });
  },
});

function imageSources({ store, running, database }: ApiSources) {
  return { images: store.images, running, database };
}

function movedTags({ policies }: Pick<ApiSources, 'policies'>, imageId: string): number {
  return (policies?.tagsOf(imageId) ?? []).filter(({ state }) => state === 'moved' || state === 'gone').length;
}

function presentImage(image: FleetImage, moved: number) {
  const { id, names, packages, containers, nodes, counts } = image;
  const { source, state, reason, distribution, conflict, atRest } = image;
  const { maxRisk, ...numbers } = counts;
  const known = { source, state, reason, distribution, conflict, atRest };
  return { id, names, ...known, packages, containers, nodes, movedTags: moved, counts: numbers, maxRisk };
}

function nodesOf(claims: readonly StoredClaim[], digest: string): readonly string[] {
  return claims
    .filter((claim) => claim.digest === digest)
    .map(({ nodeName }) => nodeName)
    .slice(0, MAX_NODES);
}
