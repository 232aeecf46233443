/** A pod that the admission webhook let run, and with which images. */
export interface AdmittedPod {
  /** Of the Pod object. */
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** By the clock of the webhook. */
  readonly atMs: number;
  readonly images: readonly AdmittedImage[];
  /** `images` are all of them. */
  readonly isComplete: boolean;
  /** Version of the policy snapshot that it was judged by. */
  readonly generation: number;
  /** It was let through in spite of violations. */
  readonly byBreakGlass: boolean;
}

/** An image of an admitted pod. */
export interface AdmittedImage {
  /** As the pod names it. */
  readonly reference: string;
  /** That the reference names, or that the collector saw under its tag; empty: not known. */
  readonly digest: string;
}

/** Images that a record holds. */
export const MAX_ADMITTED_IMAGES = 32;
