import { BENCHMARKS } from '../../posture/benchmark/benchmark.ts';
import type { ControlReference } from '../../posture/finding.ts';
import type { ControlLookup } from './present.ts';

/** A lookup that walks the benchmarks once: an answer may hold ten thousand findings. */
export function indexControls(): ControlLookup {
  const index = new Map<string, ControlReference[]>();
  for (const { id: benchmark, controls } of BENCHMARKS)
    for (const { id: control, checks } of controls)
      for (const check of checks) index.set(check, [...(index.get(check) ?? []), { benchmark, control }]);
  return (check) => index.get(check) ?? [];
}
