import { CAPABILITY_NAMES } from '../check/capability.ts';
import type { Shape } from '../schema.ts';

/*
 * Facts are stored as the kernel has them; queries show capabilities by name and file modes as octal text, with their
 * bits as true or false beside them.
 */

/** Bits of a file mode by the field that a query has for each: `inode(7)`. */
const MODE_BITS: Readonly<Record<string, readonly [number, string]>> = {
  groupReadable: [0o040, 'the group of the file can read it'],
  groupWritable: [0o020, 'the group of the file can write to it'],
  worldReadable: [0o004, 'everyone can read it'],
  worldWritable: [0o002, 'everyone can write to it'],
  setuid: [0o4000, 'it runs with the rights of its owner'],
  setgid: [0o2000, 'it runs with the rights of its group'],
  sticky: [0o1000, 'in this directory, only owners remove files'],
};

/** A shape as queries see it. */
export function viewShape(shape: Shape): Shape {
  if (shape.view === 'mode') return { kind: 'string', doc: `${shape.doc}; octal, \`0644\`` };
  if (shape.view === 'capabilities')
    return {
      kind: 'list',
      doc: shape.doc,
      item: { kind: 'oneOf', values: CAPABILITY_NAMES, doc: 'name without CAP_' },
    };
  if (!hasModeBits(shape)) return shape;
  const bits = Object.entries(MODE_BITS).map(([name, [, doc]]) => [name, { kind: 'boolean', doc }] as const);
  return { ...shape, fields: { ...shape.fields, ...Object.fromEntries(bits) } };
}

/** Does the object have a file mode, whose bits queries show beside it? */
export function hasModeBits(shape: Shape): shape is Extract<Shape, { readonly kind: 'object' }> {
  return shape.kind === 'object' && shape.fields['mode']?.view === 'mode';
}

/** `0644`, `4755`. */
export function viewMode(mode: number): string {
  return mode.toString(8).padStart(4, '0');
}

/** The bits of a mode by the names that queries have for them. */
export function modeBits(mode: number): Readonly<Record<string, boolean>> {
  return Object.fromEntries(Object.entries(MODE_BITS).map(([name, [bit]]) => [name, (mode & bit) !== 0]));
}
