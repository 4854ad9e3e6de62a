/** What one statement wrote into one shadow table. */
export interface WriteEntry {
  runId: string;
  /** `bank.transfers_shadow` */
  target: string;
  operation: string;
  /** Inserted minus deleted. */
  rows: number;
}

/**
 * Writes of one connection that the server has not committed yet. `inTransaction` is the server's own word (SERVER_STATUS_IN_TRANS of the
 * answer), so implicit commits, autocommit and chains need no rule of their own:
 *
 * | statement          | pending before        | this statement                               |
 * |--------------------|-----------------------|----------------------------------------------|
 * | BEGIN, START       | committed (implicit)  | –                                            |
 * | COMMIT (AND CHAIN) | committed             | –                                            |
 * | ROLLBACK           | discarded             | –                                            |
 * | ROLLBACK TO a      | discarded down to a   | –                                            |
 * | write, in trans    | stays                 | pending                                      |
 * | anything, no trans | committed (implicit)  | committed                                    |
 * | deadlock, lost     | discarded             | –                                            |
 */
export class TransactionLedger {
  readonly #commit: (entry: WriteEntry) => void;
  #pending: WriteEntry[] = [];
  #savepoints: { name: string; length: number }[] = [];
  #open = false;
  #runId: string | undefined;

  constructor(commit: (entry: WriteEntry) => void) {
    this.#commit = commit;
  }

  /** True between BEGIN and COMMIT, as the server saw it last. */
  get open(): boolean {
    return this.#open;
  }

  /** Run that the open transaction belongs to. */
  get runId(): string | undefined {
    return this.#open ? this.#runId : undefined;
  }

  /** A statement succeeded. `sql` is needed for the names of savepoints only. */
  succeeded(verb: string, sql: string, runId: string, entries: readonly WriteEntry[], inTransaction: boolean): void {
    if (!this.#open) this.#runId = runId;
    switch (verb) {
      case 'begin':
      case 'commit':
        this.#flush();
        break;
      case 'rollback':
        this.#discard();
        break;
      case 'rollback-to':
        this.#rollbackTo(savepointName(sql));
        break;
      case 'savepoint':
        this.#release(savepointName(sql), false);
        this.#savepoints.push({ name: savepointName(sql), length: this.#pending.length });
        break;
      case 'release-savepoint':
        this.#release(savepointName(sql), true);
        break;
    }
    this.#pending.push(...entries);
    if (!inTransaction) this.#flush();
    this.#open = inTransaction;
    if (inTransaction && (verb === 'begin' || this.#runId === undefined)) this.#runId = runId;
  }

  /** The server rolled the transaction back by itself (deadlock), or the connection is gone or was reset. */
  lost(): void {
    this.#discard();
    this.#open = false;
  }

  #flush(): void {
    for (const entry of this.#pending) this.#commit(entry);
    this.#discard();
  }

  #discard(): void {
    this.#pending = [];
    this.#savepoints = [];
  }

  #rollbackTo(name: string): void {
    const index = this.#savepoints.findIndex((savepoint) => savepoint.name === name);
    const savepoint = this.#savepoints[index];
    if (savepoint === undefined) return;
    this.#pending.length = savepoint.length;
    this.#savepoints.length = index + 1;
  }

  /** RELEASE removes the savepoint and all later ones; setting a name again removes only the older one. */
  #release(name: string, later: boolean): void {
    const index = this.#savepoints.findIndex((savepoint) => savepoint.name === name);
    if (index < 0) return;
    if (later) this.#savepoints.length = index;
    else this.#savepoints.splice(index, 1);
  }
}

/** Names of savepoints ignore case. */
function savepointName(sql: string): string {
  const match = /(?:savepoint|\bto)\s+(?:savepoint\s+)?(`(?:[^`]|``)+`|"(?:[^"]|"")+"|[^\s;]+)/i.exec(sql);
  return (match?.[1] ?? '').replace(/^[`"]|[`"]$/g, '').toLowerCase();
}
