import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useServices } from '../services.ts';

/** Copies `text()`; says so for a moment, also where the browser forbids it. */
export function CopyButton({
  text,
  children,
}: {
  readonly text: () => string;
  readonly children: string;
}): JSX.Element {
  const { announce } = useServices();
  const [said, setSaid] = useState('');
  useEffect(() => {
    if (said === '') return undefined;
    const timer = setTimeout(() => setSaid(''), 2500);
    return () => clearTimeout(timer);
  }, [said]);
  const copy = async (): Promise<void> => {
    const outcome = await navigator.clipboard.writeText(text()).then(
      () => 'Copied',
      () => 'The browser does not allow copying',
    );
    setSaid(outcome);
    announce(outcome);
  };
  return (
    <button type="button" class="button" onClick={() => void copy()}>
      {said === '' ? children : said}
    </button>
  );
}
