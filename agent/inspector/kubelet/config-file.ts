import { parseYamlDocuments } from '../../../image/policy/yaml-documents.ts';

/** The content of a configuration file as plain values, or what is wrong with it; quotes nothing of it. */
export type ParsedKubeletConfig =
  | { readonly ok: true; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly problem: string };

const GROUP = 'kubelet.config.k8s.io/';

/**
 * A configuration file of the kubelet: one KubeletConfiguration of `kubelet.config.k8s.io/v1beta1` as YAML 1.1 or JSON,
 * in UTF-8. A key that occurs twice is refused here: of the two, releases of the kubelet take one or the other.
 */
export function parseKubeletConfig(bytes: Uint8Array): ParsedKubeletConfig {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return { ok: false, problem: 'it is not UTF-8' };
  }
  const parsed = parseYamlDocuments(text, '1.1');
  if (!parsed.ok) return { ok: false, problem: parsed.reason };
  const [value, second] = parsed.documents;
  if (value === undefined) return { ok: false, problem: 'it is empty' };
  if (second !== undefined) return { ok: false, problem: 'it has several documents' };
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { ok: false, problem: 'it is not an object' };
  const fields = value as Readonly<Record<string, unknown>>;
  const { kind, apiVersion } = { kind: ownField(fields, 'kind'), apiVersion: ownField(fields, 'apiVersion') };
  if (kind !== 'KubeletConfiguration' || typeof apiVersion !== 'string' || !apiVersion.startsWith(GROUP))
    return { ok: false, problem: 'it is not a KubeletConfiguration of kubelet.config.k8s.io' };
  return { ok: true, fields };
}

/** An own field; undefined if absent. */
export function ownField(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
