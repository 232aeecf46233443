import type { JSX } from 'preact';
import type { Summary } from '../../api/node.ts';
import { fleetSentence, headline, loadOf } from './headline.ts';
import type { Load } from './headline.ts';

/** The water level, in the coordinates of the picture: the line is at 50, and smaller is higher. */
const LEVELS = Object.freeze({ critical: 20, high: 36, some: 54, none: 66, unseen: 88 } satisfies Record<Load, number>);

/** The state of the fleet: a load line with the water where the load puts it, and a sentence that says it. */
export function LoadLine({ summary }: { readonly summary: Summary }): JSX.Element {
  const load = loadOf(summary);
  const level = LEVELS[load];
  return (
    <div class={`load-line load-${load}`}>
      <svg width="96" height="96" viewBox="0 0 100 100" aria-hidden="true" focusable="false">
        <clipPath id="load-circle">
          <circle cx="50" cy="50" r="34" />
        </clipPath>
        <g clip-path="url(#load-circle)">
          <path
            class="load-water"
            d={`M0 ${String(level)} q12.500 -5 25 0 t25 0 t25 0 t25 0 V100 H0z`}
            fill="currentColor"
          />
        </g>
        <circle cx="50" cy="50" r="34" fill="none" class="load-ring" stroke-width="6" />
        <path d="M4 50h92" class="load-ring" stroke-width="6" />
      </svg>
      <div>
        <h1 tabIndex={-1}>{headline(summary)}</h1>
        <p>{fleetSentence(summary)}</p>
      </div>
    </div>
  );
}
