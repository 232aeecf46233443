import { useEffect, useState } from 'preact/hooks';
import type { Cell } from '../cell.ts';

/** The value of a cell, kept up to date. */
export function useCell<T>(cell: Cell<T>): T {
  const [value, setValue] = useState(() => cell.get());
  useEffect(() => {
    setValue(() => cell.get());
    return cell.subscribe((next) => setValue(() => next));
  }, [cell]);
  return value;
}
