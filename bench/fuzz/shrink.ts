/** How long shrinking may go on. */
export interface ShrinkBudget {
  tries: number;
  /** Epoch, ms. */
  untilMs: number;
}

/**
 * Makes a record of decisions shorter and its numbers smaller for as long as `fails` says that the fault is still there.
 * Returns the smallest record found (the given one when nothing smaller fails).
 */
export async function shrinkRecord(
  record: readonly number[],
  fails: (candidate: readonly number[]) => Promise<boolean>,
  budget: ShrinkBudget,
): Promise<readonly number[]> {
  let best = record;
  const attempt = async (candidate: readonly number[]): Promise<boolean> => {
    if (budget.tries <= 0 || Date.now() > budget.untilMs) return false;
    budget.tries -= 1;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before: readonly number[] | undefined; before !== best; ) {
    before = best;
    // what comes late decides least, so it goes first
    for (let size = 64; size >= 1; size = Math.floor(size / 2)) {
      for (let at = best.length - size; at >= 0; at -= size) {
        await attempt([...best.slice(0, at), ...best.slice(at + size)]);
      }
    }
    for (let at = best.length - 1; at >= 0; at -= 1) {
      for (const smaller of smallerThan(best[at] ?? 0)) {
        if (await attempt(best.with(at, smaller))) break;
      }
    }
    if (budget.tries <= 0 || Date.now() > budget.untilMs) break;
  }
  return best;
}

function smallerThan(value: number): number[] {
  return [...new Set([0, 1, value >> 1, value - 1])].filter((smaller) => smaller >= 0 && smaller < value);
}

/** Leaves out items for as long as the rest still fails; blocks first. */
export async function shrinkList<Item>(
  items: readonly Item[],
  fails: (candidate: readonly Item[]) => Promise<boolean>,
  budget: ShrinkBudget,
): Promise<readonly Item[]> {
  let best = items;
  for (let size = Math.ceil(items.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = best.length - size; at >= 0; at -= size) {
      if (budget.tries <= 0 || Date.now() > budget.untilMs) return best;
      budget.tries -= 1;
      const candidate = [...best.slice(0, at), ...best.slice(at + size)];
      if (await fails(candidate)) best = candidate;
    }
  }
  return best;
}
