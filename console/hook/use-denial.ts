import { useServices } from '../services.ts';
import { useCell } from './use-cell.ts';

/** Why the signed-in person may not use this operation of the API; undefined: they may, or it is not known yet. */
export function useDenial(operation: string): string | undefined {
  const { identity } = useServices();
  const known = useCell(identity);
  if (known === undefined || known.operations.includes(operation)) return undefined;
  const scopes = known.scopes.length === 0 ? '' : ` and scopes (${known.scopes.join(', ')})`;
  return `Your role (${known.role})${scopes} does not allow this. Ask an administrator for a token that does.`;
}
