import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { clean, escapeHtml, escapeMarkdown, escapeXml, oneLine } from './text.js';

describe('text from outside', () => {
  it('leaves no markup in HTML and XML', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        for (const escaped of [escapeHtml(text), escapeXml(text)]) {
          expect(escaped).not.toMatch(/[<>"']/);
          expect(escaped.replace(/&(amp|lt|gt|quot|#\d+);/g, '')).not.toContain('&');
        }
      }),
    );
  });

  it('drops control characters, which XML 1.0 has no way to write', () => {
    expect(escapeXml('a\u0000b\u001b[31mc\u0008\ufffe')).toBe('ab[31mc');
    expect(escapeXml('two\nlines')).toBe('two&#10;lines');
  });

  it('shows bidirectional overrides and lone surrogates as what they are', () => {
    expect(clean('GET /\u202eevil')).toBe('GET /\ufffdevil');
    expect(clean('a\ud800b')).toBe('a\ufffdb');
    expect(clean('😀')).toBe('😀');
  });

  it('cuts by characters, not inside of one', () => {
    expect(oneLine('😀😀😀', 2)).toBe('😀…');
    expect(oneLine(' a \n b ')).toBe('a b');
  });

  it('leaves no Markdown that opens a cell, a link or a tag', () => {
    expect(escapeMarkdown('a|b [x](javascript:1) <img> `c`')).toBe('a\\|b \\[x\\](javascript:1) &lt;img&gt; \\`c\\`');
    expect(escapeMarkdown('a\nb')).toBe('a b');
    expect(escapeMarkdown('# no heading')).toBe('\\# no heading');
  });
});
