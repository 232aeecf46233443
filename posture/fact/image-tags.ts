/**
 * What a tag names now. `same`: the image that runs; `moved`: another image, whose manifest is `digest`; `gone`: the
 * registry has no such tag; `unstable`: it changed more often than the collector reports; `unknown`: the registry did not
 * answer, and `reason` says why.
 */
export interface ImageTag {
  /** Complete reference, such as `registry.example.com/shop/db:16`. */
  readonly reference: string;
  readonly state: 'same' | 'moved' | 'gone' | 'unstable' | 'unknown';
  readonly digest?: string;
  readonly reason?: string;
}

/** An image that containers of a node run, with the tags that they were started from, as the collector knows them. */
export interface ImageTags {
  readonly imageId: string;
  readonly name: string;
  /** At least one. */
  readonly tags: readonly ImageTag[];
}
