/**
 * Version of what the inventory finds. It rises when a detector is added or finds more, so that inventories that were
 * taken before are taken again.
 */
export const INVENTORY_VERSION = 1;
