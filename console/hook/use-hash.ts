import { useEffect, useState } from 'preact/hooks';

/** The hash of the address, kept up to date. */
export function useHash(): string {
  const [hash, setHash] = useState(() => location.hash);
  useEffect(() => {
    const read = (): void => setHash(location.hash);
    addEventListener('hashchange', read);
    read();
    return () => removeEventListener('hashchange', read);
  }, []);
  return hash;
}

/** Goes to a hash without a new entry in the history: for what changes while a person types. */
export function replaceHash(hash: string): void {
  if (location.hash === hash) return;
  history.replaceState(null, '', hash);
  dispatchEvent(new HashChangeEvent('hashchange'));
}
