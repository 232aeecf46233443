import type { Shape } from '../schema.ts';

/** A shape as queries see it. */
export function viewShape(shape: Shape): Shape {
  return shape;
}
