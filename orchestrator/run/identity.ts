import { randomBytes } from 'node:crypto';

/** Names of one run. */
export interface RunIdentity {
  /** In flags, Redis keys and telemetry: [A-Za-z0-9_-]{1,64}. */
  runId: string;
  /** Folder under runs/: `2026-07-30T10-15-00Z-payday`. */
  folder: string;
  /** Put into payload fields of the run and looked for in real stores: letters and digits, unlikely anywhere else. */
  canary: string;
}

export function newRunIdentity(name: string, now: Date): RunIdentity {
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-');
  const random = randomBytes(6).toString('hex');
  return {
    runId: `r${stamp.replaceAll(/[^0-9]/g, '').slice(2)}-${random.slice(0, 6)}`,
    folder: `${stamp}Z-${name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 60) || 'run'}`,
    canary: `cnry${random}`,
  };
}
