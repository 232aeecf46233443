import type { ContainerFact } from '../../posture/fact/container.ts';
import { userOfEngine } from '../../posture/fact/docker.ts';
import type { ImageRecord } from './image-record.ts';
import type { TakenInventory } from './read-source.ts';
import type { StoredImage } from './engine-images.ts';

/** An image of the node, and how far its inventory is. */
export interface ImageEntry {
  readonly imageId: string;
  /** Running ones. */
  containers: readonly ContainerFact[];
  /** As an engine has it; undefined: none does, or images at rest are not read. */
  stored: StoredImage | undefined;
  /** The best inventory so far: one from layers is final. */
  taken: Extract<TakenInventory, { readonly ok: true }> | undefined;
  /** Reading it through a container, and through the layers that the engine has. */
  readonly running: ReadAttempts;
  readonly resting: ReadAttempts;
  /** Ids of containers that it was read through, where no container was unchanged. */
  tried: ReadonlySet<string>;
  /** What was reported last. */
  record: ImageRecord;
}

/** Attempts to read an image in one way. */
export interface ReadAttempts {
  /** Whether it is one of the images that are read in this way. */
  isAdmitted: boolean;
  /** Attempts without success since the last one with. */
  failures: number;
  /** Monotonic; undefined: nothing is due. */
  dueMs: number | undefined;
  /** Why there is no inventory; empty: it was not tried yet. */
  problem: string;
}

const RETRY_BASE_MS = 30_000;
/** The longest pause before an image is tried again. */
export const RETRY_CAP_MS = 60 * 60_000;

/** An image that was not seen before. */
export function createImageEntry(
  imageId: string,
  { containers = [], stored }: Partial<Pick<ImageEntry, 'containers' | 'stored'>>,
): ImageEntry {
  const none = (): ReadAttempts => ({ isAdmitted: false, failures: 0, dueMs: undefined, problem: '' });
  const record = { imageId, source: 'container', problem: '' } as const;
  return {
    imageId,
    containers,
    stored,
    taken: undefined,
    running: none(),
    resting: none(),
    tried: new Set(),
    record,
  };
}

/** Whether a container runs the image, or an engine has it. */
export function isOnNode({ containers, stored }: ImageEntry): boolean {
  return containers.length > 0 || stored !== undefined;
}

/** Whether an engine has the image and no container runs it. */
export function isAtRest({ containers, stored }: ImageEntry): boolean {
  return containers.length === 0 && stored !== undefined;
}

/** The attempts in the way in which the image can be read now. */
export function attemptsOf(entry: ImageEntry): ReadAttempts {
  return isAtRest(entry) ? entry.resting : entry.running;
}

/** The pause before the next attempt: 30 s after the first failure, then twice as long each time. */
export function retryMs({ failures }: ReadAttempts): number {
  return Math.min(RETRY_BASE_MS * 2 ** Math.max(0, failures - 1), RETRY_CAP_MS);
}

/** Images that run come first, those of users' own engines last among them; then those that did not fail yet. */
export function byPrecedence(one: ImageEntry, other: ImageEntry): number {
  const user = ({ containers }: ImageEntry): number =>
    Number(containers.length > 0 && containers.every(({ engine }) => userOfEngine(engine) !== 0));
  const [a, b] = [attemptsOf(one), attemptsOf(other)];
  return (
    Number(isAtRest(one)) - Number(isAtRest(other)) ||
    user(one) - user(other) ||
    a.failures - b.failures ||
    (a.dueMs ?? Infinity) - (b.dueMs ?? Infinity)
  );
}

/** What is reported of an image: the same object as before where nothing changed. */
export function updateRecord(entry: ImageEntry): ImageRecord {
  const { imageId, taken, stored, record: before } = entry;
  const atRest = isAtRest(entry) ? stored?.names : undefined;
  const record: ImageRecord = {
    imageId,
    source: taken?.source ?? 'container',
    ...(taken !== undefined && { inventory: taken.inventory }),
    problem: taken === undefined ? attemptsOf(entry).problem : '',
    ...(atRest !== undefined && { atRest }),
  };
  const isSame =
    record.source === before.source &&
    record.inventory?.digest === before.inventory?.digest &&
    record.problem === before.problem &&
    record.atRest === before.atRest;
  if (!isSame) entry.record = record;
  return entry.record;
}
