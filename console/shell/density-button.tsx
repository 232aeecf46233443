import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { applyDensity } from '../density.ts';
import { useCell } from '../hook/use-cell.ts';
import { useServices } from '../services.ts';

const ICONS = Object.freeze({
  comfortable: 'M2 3h12v3H2zM2 10h12v3H2z',
  compact: 'M2 2h12v2H2zM2 5.300h12v2H2zM2 8.700h12v2H2zM2 12h12v2H2z',
});

/** Switches lists between comfortable and compact rows. */
export function DensityButton(): JSX.Element {
  const { density, announce } = useServices();
  const current = useCell(density);
  useEffect(() => applyDensity(current), [current]);
  const turn = (): void => {
    const next = current === 'compact' ? 'comfortable' : 'compact';
    density.set(next);
    announce(`Density: ${next}`);
  };
  return (
    <button type="button" class="button button-quiet button-icon" onClick={turn} title={`Density: ${current}`}>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true" focusable="false">
        <path fill="currentColor" d={ICONS[current]} />
      </svg>
      <span class="visually-hidden">Density: {current}. Change it</span>
    </button>
  );
}
