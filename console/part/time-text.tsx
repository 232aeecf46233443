import type { JSX } from 'preact';
import { useNow } from '../hook/use-now.ts';
import { ago, dateTime } from '../../api/format.ts';

/** How long ago something was; the exact time is in the tooltip. */
export function Ago({ atMs }: { readonly atMs: number }): JSX.Element {
  const now = useNow();
  return (
    <time dateTime={new Date(atMs).toISOString()} title={dateTime(atMs)}>
      {ago(atMs, now)}
    </time>
  );
}

/** A date and a time of day. */
export function Moment({ atMs }: { readonly atMs: number }): JSX.Element {
  return <time dateTime={new Date(atMs).toISOString()}>{dateTime(atMs)}</time>;
}
