/**
 * Named lock of whoever provisions a schema. At most 64 characters; schemas whose names differ after 53 of them would wait for each other, which does no
 * harm.
 */
export function lockName(schema: string): string {
  return `shadowline ${schema.toLowerCase().slice(0, 53)}`;
}
