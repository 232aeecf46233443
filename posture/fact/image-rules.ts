/**
 * What one rule of an image policy says about a running image, as the collector judged it. Texts can hold names from the
 * image.
 */
export interface ImageRule {
  /** Name of the policy. */
  readonly policy: string;
  /** Place of the rule: `spec.rules[2]`. */
  readonly rule: string;
  readonly state: 'accepted' | 'refused' | 'unknown';
  /** What was found, or why nothing is known; empty where the rule accepts the image. */
  readonly text: string;
  /** What the rule wants; empty where it accepts the image. */
  readonly expected: string;
}

/** An image that containers of a node run, with what the rules of the image policies of one kind say about it. */
export interface ImageRules {
  readonly imageId: string;
  readonly name: string;
  readonly rules: readonly ImageRule[];
  /** Why there may be rules that are not in the list; absent: there are none. */
  readonly incomplete?: string;
}
