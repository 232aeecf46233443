import type { JSX } from 'preact';

/** The load line: a circle and the line through it. */
export function BrandMark({ size = 24 }: { readonly size?: number }): JSX.Element {
  return (
    <svg class="brand-mark" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="10" fill="none" stroke="currentColor" stroke-width="3" />
      <path d="M1 16h30" stroke="currentColor" stroke-width="3" />
    </svg>
  );
}
