import type { RedisCommand } from './redis-rewrite.js';

/** What became of a command when it was issued; kept on the command, which passes the gates again whenever it is queued or resent. */
export type Issued = 'real' | 'shadow' | 'refused';

const ISSUED = Symbol.for('shadowline.agent.redis.issued');
const NAME = Symbol('name');

export function issuedAs(command: RedisCommand): Issued | undefined {
  return (command as any)[ISSUED];
}

/** @returns the command */
export function markIssued(command: RedisCommand, as: Issued): RedisCommand {
  (command as any)[ISSUED] = as;
  return command;
}

const EMPTY = '*1\r\n$4\r\nping\r\n';

/** Puts an empty command into the place of a refused one; its answer becomes the refusal. */
export function refuseInPlace(command: RedisCommand, error: Error): void {
  markIssued(command, 'refused');
  (command as any)[NAME] = nameOf(command);
  command.name = 'ping';
  command.args = [];
  command.keys = [];
  command.slot = undefined;
  command.toWritable = () => EMPTY;
  command.transformReply = () => {
    throw error;
  };
}

/** In lower case, as it was issued. */
export function nameOf(command: RedisCommand): string {
  return (command as any)[NAME] ?? command.name.toLowerCase();
}
