import * as s from '../posture/schema.ts';
import { time } from './part.ts';
import { VULNERABILITY_SEVERITIES } from './image.ts';

const outcome = s.oneOf(['allow', 'deny', 'couldNotTell']);

const exposedVulnerability = s.object({
  id: s.string('CVE, or id of the advisory', 256),
  package: s.string('', 512),
  severity: s.oneOf(VULNERABILITY_SEVERITIES),
  exploited: s.boolean('known to be exploited (CISA KEV)'),
  epss: s.nullable(s.number('EPSS: probability of exploitation within 30 days, 0 to 1')),
  fixable: s.boolean('a later version of the package has the fix'),
  expiredWaiver: s.boolean('a waiver accepted it and has expired'),
});

const stateFields = {
  vulnerabilities: s.list(exposedVulnerability, 'that no VEX statement and no valid waiver suppresses', 5000),
  endOfLifeMs: s.nullable(time('when security updates of its distribution end')),
};

/** What rollouts decide by: the images of the fleet, where they run, and what is wrong with them. */
export const exposureList = s.object({
  images: s.list(
    s.object({
      id: s.string('sha256:… of the configuration', 256),
      digests: s.list(s.string('', 256), 'the id, and manifests and indexes that name the image', 64),
      containers: s.list(s.object({ nodeId: s.string('', 256), id: s.string('', 256) }), 'running', 100_000),
      source: s.oneOf(
        ['layers', 'container', 'conflict', 'none'],
        'where its packages were read; `conflict`: nodes contradict each other; `none`: they are not known',
      ),
      ...stateFields,
    }),
    '',
    10_000,
  ),
});

/** See {@link exposureList}. */
export type ExposureList = s.Infer<typeof exposureList>;

/** An image that could replace another. */
const candidate = s.object({
  reference: s.string('complete, with its digest', 1024),
  digest: s.string('', 256),
  state: s.oneOf(['judged', 'pending', 'failed'], '`pending`: it is being scanned; ask again'),
  outcome,
  reasons: s.list(s.string('', 1024), 'why it may not run, or is not judged', 20),
  ...stateFields,
});

/** Images that could replace another. */
export const successorSearch = s.object({
  candidates: s.list(candidate, 'in the order of preference', 16),
  problem: s.string('why the search is not complete; empty: it is', 1024),
});

/** Says that an image replaces others. */
export const announcement = s.object({
  reference: s.string('complete, with its digest', 1024),
  replaces: s.list(s.string('', 256), 'tags or digests of the same repository; empty: its own tag', 64),
  announcedMs: time('when'),
  by: s.string('who announced it', 512),
});
/** See {@link announcement}. */
export type Announcement = s.Infer<typeof announcement>;
