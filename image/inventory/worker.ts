// The entry of the thread that takes one inventory; run-inventory.ts starts it. An image is written by strangers, so it
// is read where reading can be stopped at any moment and where its memory has a limit of its own.
import { constants, setPriority } from 'node:os';
import { parentPort, workerData } from 'node:worker_threads';
import { openImageSource } from './image-source.ts';
import { takeInventory } from './inventory.ts';
import type { InventoryReport, InventoryTask, RunProgress } from './worker-protocol.ts';

async function run({ source, softDeadlineMs }: InventoryTask): Promise<InventoryReport> {
  const end = performance.now() + softDeadlineMs;
  const isExpired = (): boolean => performance.now() > end;
  const report = (progress: RunProgress): void =>
    parentPort?.postMessage({ kind: 'progress', progress } satisfies InventoryReport, []);
  const opened = await openImageSource(source, {
    isExpired,
    onLayer: (layers, ofLayers) => report({ stage: 'layers', layers, ofLayers }),
  });
  if (!opened.ok) return { kind: 'unreadable', reason: opened.reason };
  const { tree, imageId, findChange } = opened;
  try {
    const inventory = takeInventory(tree, {
      isExpired,
      onProgress: (progress) => report({ stage: 'files', ...progress }),
    });
    const change = findChange?.();
    if (change !== undefined) return { kind: 'unreadable', reason: change };
    return { kind: 'taken', inventory, ...(imageId !== undefined && { imageId }) };
  } finally {
    tree.close();
  }
}

try {
  // On Linux this is the priority of the calling thread alone, for the CPU and for the disk.
  setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
} catch {
  // Without the right to it the inventory is as urgent as the rest of the process.
}
parentPort?.postMessage(await run(workerData as InventoryTask), []);
