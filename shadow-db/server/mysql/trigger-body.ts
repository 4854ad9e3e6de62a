import { lex } from '../../mysql/lexer.js';
import { createRewriter, type RewriterOptions } from '../../mysql/rewriter.js';

export type BodyResult = { body: string } | { refused: string };

/**
 * Redirects the body of a trigger: one statement, or BEGIN … END around plain statements. Control flow, variables and whatever
 * else the rewriter does not know are refused, with the reason.
 */
export function redirectBody(body: string, sqlMode: string, options: RewriterOptions): BodyResult {
  const flags = {
    ansiQuotes: /\bANSI_QUOTES\b/.test(sqlMode),
    noBackslashEscapes: /\bNO_BACKSLASH_ESCAPES\b/.test(sqlMode),
  };
  const rewriter = createRewriter(options);
  try {
    const tokens = lex(body, flags);
    const last = tokens.at(-1);
    const block = tokens[0]?.text === 'BEGIN' && last?.text === 'END';
    const inner = block ? tokens.slice(1, -1) : tokens;
    let result = '';
    let from = 0;
    let start = inner[0]?.start;
    for (const [index, token] of inner.entries()) {
      const isEnd = token.kind === 'punct' && token.text === ';';
      if (!isEnd && index < inner.length - 1) continue;
      if (start === undefined) break;
      const end = isEnd ? token.start : token.end;
      const statement = body.slice(start, end);
      // NEW.column may be set in BEFORE triggers; what is assigned is an expression like those of a SELECT
      const prefix = /^SET\s+NEW\s*\.\s*(?:\w+|`[^`]+`)\s*:?=/i.exec(statement)?.[0];
      const known = prefix === undefined ? statement : `SELECT ${statement.slice(prefix.length)}`;
      const redirected = rewriter.rewrite(known, { sqlMode: flags });
      if (redirected.action === 'refuse') return { refused: `${redirected.code}: ${redirected.message}` };
      const text = prefix === undefined ? redirected.sql : prefix + redirected.sql.slice('SELECT '.length);
      result += body.slice(from, start) + text;
      from = end;
      start = inner[index + 1]?.start;
    }
    return { body: result + body.slice(from) };
  } catch (error) {
    return { refused: error instanceof Error ? error.message : `the body cannot be read (${JSON.stringify(error)})` };
  }
}
