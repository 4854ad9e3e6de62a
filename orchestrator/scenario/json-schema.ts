import { z } from 'zod';
import { grammar } from './grammar.js';

/** JSON schema (draft 7) of scenario.yaml, for editors. It describes what is written, before units are converted. */
export function jsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(grammar, { target: 'draft-7', io: 'input', unrepresentable: 'any' });
  return { ...schema, title: 'Shadowline scenario, version 1' };
}
