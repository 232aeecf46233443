/**
 * A running container of a pod, and what the admission webhook has reported of the pod. The collector compares the two:
 * agents do not have this fact.
 */
export interface AdmittedContainer {
  readonly id: string;
  /** Namespace, pod and container. */
  readonly name: string;
  readonly podUid: string;
  readonly namespace: string;
  readonly pod: string;
  /** Reference and id of the image, as the node reports them. */
  readonly image: string;
  readonly imageId: string;
  /** Digests of manifests of this image, as far as the collector has read them from a registry. */
  readonly digests: readonly string[];
  readonly admission: Admission;
}

/**
 * What is known of the admission of a pod. `exempt`: it is new in a namespace that the webhook is not asked about; `older`: it started
 * before the first report of a webhook; `static`: the kubelet made it from a file, which no webhook sees; `missing`: every
 * webhook has reported all that it admitted, and the pod is not among it; `notKnown`: reports are missing, and why.
 */
export type Admission =
  | { readonly state: 'exempt' | 'older' | 'missing' }
  | { readonly state: 'static'; readonly isExemptNamespace: boolean }
  | { readonly state: 'notKnown'; readonly reason: string }
  | {
      readonly state: 'admitted';
      readonly namespace: string;
      readonly pod: string;
      readonly images: readonly { readonly reference: string; readonly digest: string }[];
      readonly isComplete: boolean;
    };
