import { matchesGlob } from '../glob.ts';
import type { Objection } from '../reason.ts';
import { someOf, unknown } from './judging.ts';
import type { JudgeInput } from './judging.ts';

/**
 * The objection that packages may be missing from the inventory; empty where all were read. Who can make the inventory
 * incomplete must not be able to hide a package.
 */
export function inventoryGaps({ evidence, accept }: JudgeInput, expected: string): readonly Objection[] {
  const { inventory } = evidence;
  const incomplete = (actual: string): readonly Objection[] => [
    unknown({
      code: 'inventory-incomplete',
      actual,
      expected,
      action: 'See plimsoll image scan for what could not be read. Repair it, or list the paths in spec.accept.gaps.',
    }),
  ];
  if (inventory.state === 'unreadable') return incomplete(inventory.reason);
  if (inventory.state === 'absent') return [];
  const gaps = inventory.value.gaps.filter(({ path }) => !accept.gaps.some((pattern) => matchesGlob(pattern, path)));
  if (gaps.length === 0) return [];
  return incomplete(`could not be read: ${someOf(gaps.map(({ path, reason }) => `${path} (${reason})`))}`);
}
