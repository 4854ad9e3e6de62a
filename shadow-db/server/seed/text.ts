/** A cell as text; drivers give some of them as bytes. */
export function textOf(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}
