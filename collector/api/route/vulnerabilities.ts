import { vulnerabilityDetail, vulnerabilityList, VULNERABILITY_SEVERITIES } from '../../../api/image.ts';
import * as s from '../../../posture/schema.ts';
import { findAffected, listVulnerabilities as vulnerabilitiesOf } from '../../image/fleet-vulnerabilities.ts';
import { flag, numeric, repeated, text } from '../parameter.ts';
import { presentSuppression } from '../present.ts';
import { answer, jsonRoute, refuse } from '../route.ts';

const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1000;
const MAX_CONTAINERS = 100_000;
const MAX_ROWS = 10_000;
const MAX_IDS = 100;

/** GET /v1/vulnerabilities */
export const listVulnerabilities = jsonRoute({
  method: 'GET',
  path: '/v1/vulnerabilities',
  operation: 'listVulnerabilities',
  summary: 'Vulnerabilities of running containers',
  description: 'Vulnerabilities of the packages in images that run, by risk, with the number of containers affected.',
  refuses: ['invalidRequest'],
  query: s.object({
    severity: repeated(s.oneOf(VULNERABILITY_SEVERITIES), '', VULNERABILITY_SEVERITIES.length),
    exploited: s.nullable(flag('only those known to be exploited, or only others')),
    fixable: s.nullable(flag('only those with a fix, or only others')),
    suppressed: s.nullable(
      flag(
        'only those that VEX or a waiver suppresses for some package version; false: only those that count for some',
      ),
    ),
    text: s.nullable(text('part of the id or of the name of an affected package; case does not matter', 256)),
    unused: s.withDefault(flag('also those that affect no running container'), false),
    limit: s.withDefault(numeric('', 1, MAX_LIMIT), DEFAULT_LIMIT),
    cursor: s.nullable(numeric('of the page before', 0)),
  }),
  answer: vulnerabilityList,
  handle: async ({ query }, { store, running, database }) => {
    const { severity, exploited, fixable, suppressed: isSuppressed, text: words, unused, limit, cursor } = query;
    const filter = {
      ...(severity !== null && { severities: severity }),
      ...(exploited !== null && { exploited }),
      ...(fixable !== null && { fixable }),
      ...(isSuppressed !== null && { suppressed: isSuppressed }),
      ...(words !== null && { text: words }),
    };
    const options = { filter, unused, offset: cursor ?? 0, limit };
    const { list, next } = await vulnerabilitiesOf({ images: store.images, running }, options);
    return answer({
      database: database(),
      vulnerabilities: list.map(({ vulnerability, suppressed, ...counted }) =>
        Object.assign(counted, {
          suppressed: suppressed.map(({ package: { name, version }, suppressed: why }) =>
            Object.assign({ package: name, version }, presentSuppression(why)),
          ),
          severity: vulnerability.severity,
          risk: vulnerability.risk,
          exploited: vulnerability.kev !== undefined,
          epss: vulnerability.epss?.score,
          summary: vulnerability.summary,
        }),
      ),
      ...(next !== undefined && { cursor: String(next) }),
    });
  },
});

/** GET /v1/vulnerabilities/{vulnerability} */
export const getVulnerability = jsonRoute({
  method: 'GET',
  path: '/v1/vulnerabilities/{vulnerability}',
  operation: 'getVulnerability',
  summary: 'One vulnerability',
  description: 'The package versions, images, running containers and nodes that a vulnerability affects.',
  refuses: ['notFound', 'invalidRequest'],
  params: s.object({ vulnerability: text('`CVE-2026-1234`, or the id of an advisory', 128) }),
  answer: vulnerabilityDetail,
  handle: async ({ params }, { store, running }) => {
    const found = await findAffected({ images: store.images, running }, params.vulnerability);
    if (found === undefined)
      return refuse(
        'notFound',
        `no image of the fleet has a vulnerability ${JSON.stringify(params.vulnerability)}`,
        'GET /v1/vulnerabilities lists them',
      );
    const { id, vulnerability, packages, containers } = found;
    const { severity, risk, summary, aliases, cvss, epss, kev } = vulnerability;
    const byImage = Map.groupBy(containers, ({ imageId }) => imageId);
    return answer({
      id,
      severity,
      risk,
      exploited: kev !== undefined,
      summary,
      advisories: [...new Set(packages.map((one) => one.vulnerability.advisory))].slice(0, MAX_IDS),
      aliases: aliases.slice(0, MAX_IDS),
      cvss,
      epss,
      exploitedSinceMs: kev?.addedAt,
      ransomware: kev?.ransomware,
      packages: packages.slice(0, MAX_ROWS).map(({ package: affected, status, fixedVersion, suppressed }) => ({
        suppressed: presentSuppression(suppressed),
        type: affected.type,
        name: affected.name,
        version: affected.version,
        status,
        fixedVersion,
      })),
      images: [...byImage]
        .map(([imageId, own]) => ({ id: imageId, name: own[0]?.image ?? '', containers: own.length }))
        .sort((one, other) => other.containers - one.containers)
        .slice(0, MAX_ROWS),
      nodes: new Set(containers.map(({ nodeId }) => nodeId)).size,
      containers: containers.slice(0, MAX_CONTAINERS),
    });
  },
});
