import type { Clock } from '../../service/clock.ts';
import type { Logger } from '../../service/log.ts';
import type { Issue } from '../status/collector-status.ts';
import type { EventBus } from '../store/event-bus.ts';
import type { ImageStore, PackageVulnerability, SuppressionChange, SuppressNew } from '../store/image-store.ts';
import type { VexStatement } from '../../vulnerability/vex.ts';
import type { VulnerabilityWaiver } from '../../vulnerability/waiver.ts';
import type { Waiver } from '../../policy/waiver.ts';
import type { Suppression } from '../../vulnerability/vulnerability.ts';
import { createKeptAnnotations } from './kept-annotations.ts';
import { createAnnotationFiles } from './annotation-files.ts';
import type { RunningImages } from './running-images.ts';
import { createSuppressionRules } from './suppression-rules.ts';
import type { SuppressionRules, VulnerabilityWaiverUse } from './suppression-rules.ts';

/** VEX statements and waivers as they are now. */
export interface FleetAnnotations {
  readonly statements: readonly VexStatement[];
  readonly waivers: readonly VulnerabilityWaiver[];
  /** Waivers of findings. */
  readonly findingWaivers: readonly Waiver[];
  /** Some file could never be read, so that what it says is not known. */
  readonly isIncomplete: boolean;
  /** Differs where the content differs. */
  readonly revision: number;
}

/** Keeps current which vulnerabilities VEX documents and waivers suppress. */
export interface SuppressionReview {
  /** Reads the files that have changed. */
  readonly refresh: () => Promise<void>;
  /** Decides again where something has changed. `hasJudged`: package versions were judged since the last call. */
  readonly review: (hasJudged: boolean) => Promise<void>;
  readonly suppressNew: SuppressNew;
  /** What the files say; undefined before the first `refresh`. The same object while nothing changes. */
  readonly current: () => FleetAnnotations | undefined;
  /** What suppresses a vulnerability in one image; undefined: nothing. */
  readonly suppressionIn: (imageId: string, found: PackageVulnerability) => Suppression | undefined;
  /** Whether a waiver suppressed a vulnerability in one image, and has expired. */
  readonly hasExpiredWaiver: (imageId: string, found: PackageVulnerability) => boolean;
  /** What each waiver of vulnerabilities does. */
  readonly waiverUses: () => readonly VulnerabilityWaiverUse[];
  /** Files that are wrong, and waivers without effect. */
  readonly issues: () => readonly Issue[];
}

/** What a review needs. */
export interface SuppressionReviewOptions {
  /** Files and directories, see `createAnnotationFiles`; `keptIn`: directory for copies of them. */
  readonly annotations: {
    readonly vex: readonly string[];
    readonly waivers: readonly string[];
    readonly keptIn: string;
  };
  /** The files say something else, or were read for the first time. */
  readonly onChange?: (annotations: FleetAnnotations) => void;
  readonly images: ImageStore;
  readonly running: RunningImages;
  readonly eventBus: Pick<EventBus, 'announce'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Images get other names and nodes: everything that is suppressed is decided again after this time. */
const INTERVAL_MS = 45_000;
/** Vulnerabilities whose names are read at a stretch. */
const NAMES = 500;
/** Changes that are stored in one transaction. */
const CHANGES = 25;
/** Waivers that an issue names. */
const MAX_NAMED = 10;

/** Nothing is suppressed by files before the first `refresh`. */
export function createSuppressionReview(options: SuppressionReviewOptions): SuppressionReview {
  const { annotations, images, running, eventBus, onChange = () => undefined, clock, log, signal } = options;
  const files = createAnnotationFiles(annotations, {
    kept: createKeptAnnotations(annotations.keptIn),
    now: clock.now,
  });
  let rules = createSuppressionRules([], [], running.containersOf);
  /** Vulnerabilities that the rules name; undefined: to be read again. */
  let named: readonly number[] | undefined = [];
  let isDue = true;
  let reviewedMs = -Infinity;
  let reviewedAt = 0;
  let isReviewed = false;

  let current: FleetAnnotations | undefined;

  const refresh = async (): Promise<void> => {
    const isChanged = await files.refresh();
    if (isChanged || current === undefined) {
      const revision = (current?.revision ?? 0) + 1;
      current = {
        statements: files.statements(),
        waivers: files.waivers(),
        findingWaivers: files.findingWaivers(),
        isIncomplete: files.isIncomplete(),
        revision,
      };
      onChange(current);
    }
    if (!isChanged) return;
    rules = createSuppressionRules(files.statements(), files.waivers(), running.containersOf);
    named = undefined;
    isDue = true;
    isReviewed = false;
    const [statements, waivers] = [files.statements().length, files.waivers().length];
    const findingWaivers = files.findingWaivers().length;
    log.info({ statements, waivers, findingWaivers }, 'VEX statements and waivers read');
  };
  const readNamed = async (): Promise<readonly number[]> => {
    const keys: number[] = [];
    for (let after = 0; !rules.isEmpty && !signal.aborted;) {
      const page = await images.vulnerabilityNames(after, NAMES);
      for (const one of page) if (rules.names(one)) keys.push(one.key);
      after = page.at(-1)?.key ?? after;
      if (page.length < NAMES) break;
      await new Promise(setImmediate);
    }
    return keys;
  };
  const store = async (changes: readonly SuppressionChange[]): Promise<void> => {
    if (changes.length === 0) return;
    const newest = await images.putSuppressions(changes, { atMs: clock.now(), describeUse: running.describe });
    if (newest > 0) eventBus.announce(newest);
  };
  const review = async (hasJudged: boolean): Promise<void> => {
    if (hasJudged) named = undefined;
    const now = clock.now();
    const hasExpired = rules.expired(now).some(({ expiresAt }) => expiresAt > reviewedAt);
    const isOld = clock.monotonic() - reviewedMs >= INTERVAL_MS;
    if (!isDue && !hasJudged && !hasExpired && !isOld) return;
    named ??= await readNamed();
    rules.startReview();
    const keeps = files.isIncomplete();
    let changes: SuppressionChange[] = [];
    for (const vulnerabilityKey of new Set([...named, ...(await images.suppressedKeys())])) {
      for (const found of await images.packagesWith(vulnerabilityKey)) {
        const { packageKey, suppressed: before } = found;
        const places = await images.places([packageKey]);
        const suppressed = rules.everywhere(found, places, { before, now, keeps });
        if (JSON.stringify(suppressed) !== JSON.stringify(before))
          changes.push({ packageKey, vulnerabilityKey, ...(suppressed !== undefined && { suppressed }) });
        if (changes.length >= CHANGES) {
          await store(changes);
          changes = [];
        }
        await new Promise(setImmediate);
        if (signal.aborted) return;
      }
    }
    await store(changes);
    [isDue, isReviewed, reviewedMs, reviewedAt] = [false, true, clock.monotonic(), now];
  };
  const waiverIssues = (): readonly Issue[] => {
    const now = clock.now();
    const issueOf = (code: keyof typeof TEXT, sources: readonly string[]): readonly Issue[] => {
      const [subject] = sources;
      if (subject === undefined) return [];
      const list = sources.slice(0, MAX_NAMED).join(', ') + (sources.length > MAX_NAMED ? ', …' : '');
      const count = sources.length === 1 ? '1 waiver' : `${String(sources.length)} waivers`;
      return [{ code, subject, text: `${count} ${TEXT[code]}: ${list}`, advice: ADVICE[code] }];
    };
    return [
      ...issueOf(
        'waiverExpired',
        rules.expired(now).map(({ source }) => source),
      ),
      // Before everything was reviewed it is not known.
      ...issueOf('waiverUnused', isReviewed ? rules.unused(now).map(({ source }) => source) : []),
      ...issueOf('waiverBroad', isReviewed ? broadWaivers(rules, running.imageIds().length) : []),
    ];
  };
  return {
    refresh,
    review,
    current: () => current,
    suppressNew: (match, places) =>
      rules.names(match.vulnerability)
        ? rules.everywhere(match, places(), { before: undefined, now: clock.now(), keeps: false })
        : undefined,
    suppressionIn: (imageId, found) => {
      const references = [...new Set(running.containersOf(imageId).map(({ image }) => image))];
      return rules.inImage(found, { imageId, references }, clock.now()) ?? found.suppressed;
    },
    hasExpiredWaiver: (imageId, found) => {
      if (!rules.names(found.vulnerability)) return false;
      const references = [...new Set(running.containersOf(imageId).map(({ image }) => image))];
      const ends = new Set(rules.expired(clock.now()).map(({ expiresAt }) => expiresAt));
      return [...ends].some((end) => rules.inImage(found, { imageId, references }, end - 1)?.by === 'waiver');
    },
    waiverUses: () =>
      isReviewed
        ? rules.uses(clock.now(), running.imageIds().length)
        : files.waivers().map((waiver): VulnerabilityWaiverUse => ({ waiver })),
    issues: () => [
      ...[...files.problems()].map(([subject, problem]) => ({
        code: 'annotationFile' as const,
        subject,
        text: `VEX statements or waivers: ${problem}`,
        advice: 'correct the file; until then its earlier content counts',
      })),
      ...waiverIssues(),
    ],
  };
}

const TEXT = {
  waiverExpired: 'expired, so that the vulnerabilities count again',
  waiverUnused: 'applied to no vulnerability of the fleet',
  waiverBroad: 'applied to vulnerabilities in more than half of the images that run',
} as const;
const ADVICE = {
  waiverExpired:
    'fix the vulnerabilities, or decide again until when they are accepted; then change or remove the waiver',
  waiverUnused: 'remove it, or correct its ids, packages and images; plimsoll vulnerabilities lists what there is',
  waiverBroad: 'name the images that they are meant for, so that they do not accept what nobody has looked at',
} as const;

function broadWaivers(rules: SuppressionRules, images: number): readonly string[] {
  return rules
    .broad(images)
    .map(({ waiver, images: own }) => `${waiver.source} (${String(own)} of ${String(images)} images)`);
}
