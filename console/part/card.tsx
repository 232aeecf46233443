import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';

/** A part of a page with a heading of the second level. */
export function Card({
  title,
  aside,
  className = '',
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly className?: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  const id = useId();
  return (
    <section class={`card ${className}`} aria-labelledby={id}>
      <header class="card-head">
        <h2 id={id}>{title}</h2>
        {aside === undefined ? null : <div class="card-aside">{aside}</div>}
      </header>
      {children}
    </section>
  );
}

/** What is wider than a small screen scrolls in itself, also by keyboard. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <div class="scroll" role="region" aria-label={`${label}: table`} tabIndex={0}>
      {children}
    </div>
  );
}
