import { tmpdir } from 'node:os';
import type { ImageScanOutcome, ImageScanProgress, ImageTarget } from '../../image/inventory/image-scan.ts';
import type { ImageSource } from '../../image/inventory/image-source.ts';
import { runInventory } from '../../image/inventory/run-inventory.ts';
import type { Settings } from '../../service/config/settings.ts';
import { openEngineImage } from './engine-image.ts';
import type { EngineImage } from './engine-image.ts';

/** One image to scan. */
export interface ImageScanRequest {
  readonly settings: Settings;
  readonly target: ImageTarget;
  /** For the inventory; the export by an engine has its own limit. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: ImageScanProgress) => void;
}

/** Takes the inventory of a target in a thread whose module is `worker`. Expected failures are values. */
export async function scanImage(request: ImageScanRequest, worker: URL): Promise<ImageScanOutcome> {
  const { target, signal, deadlineMs, onProgress } = request;
  const startedMs = performance.now();
  const opened = await openTarget(request);
  if (!opened.ok) return opened;
  try {
    const outcome = await runInventory({ source: opened.source, worker, deadlineMs, signal, onProgress });
    if (!outcome.ok) return { ok: false, problem: outcome.reason };
    const change = await opened.findChange?.();
    if (change !== undefined) return { ok: false, problem: change };
    const { inventory, imageId = opened.imageId } = outcome;
    return { ok: true, inventory, imageId, of: opened.of, durationMs: performance.now() - startedMs };
  } finally {
    if (target.kind === 'engine') opened.close();
  }
}

type OpenedTarget =
  | (Omit<Extract<EngineImage, { ok: true }>, 'imageId' | 'of'> & {
      readonly imageId: string | undefined;
      readonly of: 'image' | 'container' | 'directory';
    })
  | Extract<EngineImage, { ok: false }>;

async function openTarget({ settings, target, signal, onProgress }: ImageScanRequest): Promise<OpenedTarget> {
  const close = (): void => undefined;
  switch (target.kind) {
    case 'directory': {
      const source: ImageSource = { kind: 'directory', path: target.path, mounts: 'gap' };
      return { ok: true, source, imageId: undefined, of: 'directory', close };
    }
    case 'archive': {
      const name = target.name === undefined ? {} : { name: target.name };
      const source: ImageSource = { kind: 'archive', path: target.path, temporaryDirectory: tmpdir(), ...name };
      return { ok: true, source, imageId: undefined, of: 'image', close };
    }
    case 'engine':
      return openEngineImage({
        settings,
        reference: target.reference,
        signal,
        onExported: (bytes) => onProgress({ stage: 'export', bytes }),
      });
  }
}
