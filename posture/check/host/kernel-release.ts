/** The parts of a kernel release in their order: `6.1.0-18-amd64` is 6, 1, 0, 18 and the flavour `amd64`. */
interface Release {
  readonly numbers: readonly number[];
  /** What the kernel was built for: everything from the first letter on that is not `rc`. */
  readonly flavour: string;
}

/** Is `one` a later build of the same flavour as `other`? Of different flavours neither replaces the other. */
export function isLaterKernel(one: string, other: string): boolean {
  const [first, second] = [parse(one), parse(other)];
  if (first.flavour !== second.flavour) return false;
  const length = Math.max(first.numbers.length, second.numbers.length);
  for (let index = 0; index < length; index += 1) {
    const difference = (first.numbers[index] ?? 0) - (second.numbers[index] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return false;
}

function parse(release: string): Release {
  const match = /^([\d.\-_+]*)(.*)$/.exec(release);
  const rest = match?.[2] ?? '';
  const numbers = (match?.[1] ?? '').match(/\d{1,9}/g) ?? [];
  // Of `el9_4.x86_64` the digits belong to the distribution, not to the flavour.
  return { numbers: numbers.map(Number), flavour: rest.replaceAll(/\d+/g, '#').replaceAll(/(?:[._]#)+/g, '') };
}
