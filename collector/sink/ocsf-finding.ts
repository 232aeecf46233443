/** An event as sinks write it: plain JSON. */
export type OcsfEvent = Readonly<Record<string, unknown>>;

/** What happened to a finding: `activity_id` and `status_id` of the OCSF classes of findings. */
export const ACTIVITY = {
  opened: { id: 1, name: 'Create', statusId: 1, status: 'New' },
  changed: { id: 2, name: 'Update', statusId: 2, status: 'In Progress' },
  resolved: { id: 3, name: 'Close', statusId: 4, status: 'Resolved' },
} as const;

/** `role_id` of a resource. */
export const AFFECTED = { role_id: 3, role: 'Affected' } as const;

/** The attributes of the class of an event, for a change of a finding at `atMs`. */
export function findingClass(
  { uid, name }: { readonly uid: number; readonly name: string },
  activity: (typeof ACTIVITY)[keyof typeof ACTIVITY],
  atMs: number,
): OcsfEvent {
  return {
    activity_id: activity.id,
    activity_name: activity.name,
    category_uid: 2,
    category_name: 'Findings',
    class_uid: uid,
    class_name: name,
    type_uid: uid * 100 + activity.id,
    type_name: `${name}: ${activity.name}`,
    time: atMs,
  };
}
