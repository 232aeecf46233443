import * as s from '../../posture/schema.ts';

const word = s.string('', 512);

/** LabelSelector (meta/v1); absent: selects everything. */
export const selectorSchema = s.withDefault(
  s.object({
    matchLabels: s.withDefault(s.record(word), {}),
    matchExpressions: s.withDefault(
      s.list(
        s.object({ key: word, operator: s.string('', 32), values: s.withDefault(s.list(word, '', 1_000), []) }),
        '',
        64,
      ),
      [],
    ),
  }),
  { matchLabels: {}, matchExpressions: [] },
);
/** See {@link selectorSchema}. */
export type LabelSelector = s.Infer<typeof selectorSchema>;

/**
 * Why `labels` are not selected, for people; undefined: they are. As
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ defines it: `NotIn` and `DoesNotExist` also
 * select what has no such label. An operator that is not known selects nothing.
 */
export function rejectionOf(selector: LabelSelector, labels: Readonly<Record<string, string>>): string | undefined {
  const shown = (key: string): string =>
    Object.hasOwn(labels, key) ? `label ${key}=${labels[key] ?? ''}` : `no label ${key}`;
  for (const [key, value] of Object.entries(selector.matchLabels))
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return shown(key);
  for (const { key, operator, values } of selector.matchExpressions)
    if (!isSelected({ operator, values }, Object.hasOwn(labels, key) ? labels[key] : undefined)) return shown(key);
  return undefined;
}

function isSelected(
  { operator, values }: { readonly operator: string; readonly values: readonly string[] },
  label: string | undefined,
): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label);
    case 'NotIn':
      return label === undefined || !values.includes(label);
    case 'Exists':
      return label !== undefined;
    case 'DoesNotExist':
      return label === undefined;
    default:
      return false;
  }
}
