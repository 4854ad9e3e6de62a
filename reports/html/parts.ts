import type { Picture } from '../charts/draw.js';
import { count } from '../format.js';
import { type Html, type HtmlValue, html } from './html.js';

export interface Column {
  head: HtmlValue;
  /** Numbers stand at the right, with digits of one width. */
  kind?: 'text' | 'num' | 'code';
}

export interface Table {
  /** What the table holds: its caption, and its name for those who hear it. */
  caption: string;
  columns: Column[];
  rows: HtmlValue[][];
  /** Said instead of an empty table. */
  empty: string;
  /** Rows shown at most; result.json has all. */
  maxRows?: number;
  hideCaption?: boolean;
}

/** A table in a box of its own that scrolls when it is wider than the page. */
export function table({ caption, columns, rows, empty, maxRows = 200, hideCaption = false }: Table): Html {
  if (rows.length === 0) return html`<p class="none"><b>${caption.replace(/[:;(].*/s, '').trim()}:</b> ${empty}</p>`;
  const shown = rows.slice(0, maxRows);
  const cell = (value: HtmlValue, index: number): Html => {
    const kind = columns[index]?.kind ?? 'text';
    if (kind === 'text') return html`<td>${value}</td>`;
    // Words that no column can hold may break anywhere; names of tables and routes do not.
    const isLong = kind === 'code' && typeof value === 'string' && /\S{41}/.test(value);
    return html`<td class="${kind}${isLong ? ' long' : ''}">${value}</td>`;
  };
  const more = rows.length - shown.length;
  return html`<div class="scroll" role="region" tabindex="0" aria-label="${caption}"><table><caption${
    hideCaption ? html` class="hidden"` : null
  }><span>${caption}</span></caption><thead><tr>${columns.map(
    ({ head, kind }) => html`<th scope="col"${kind === 'num' ? html` class="num"` : null}>${head}</th>`,
  )}</tr></thead><tbody>${shown.map((row) => html`<tr>${row.map(cell)}</tr>\n`)}</tbody></table></div>${
    more > 0 ? html`<p class="more">${count(more)} more in result.json.</p>` : null
  }`;
}

export interface Figure {
  picture: Picture;
  /** What kind of picture it is; the caption says what it shows. */
  alt: string;
  caption: string;
  data: Table;
}

/**
 * Both themes are in the page and the style sheet shows one: a `<picture>` would change its source too late for a page that is
 * printed out of a dark browser.
 */
export function figure({ picture, alt, caption, data }: Figure): Html {
  const { width, height } = picture;
  const image = (theme: 'light' | 'dark') =>
    html`<img class="${`on-${theme}`}" role="img" alt="${`${alt}. ${caption}`}" src="${picture[theme]}" width="${width}" height="${height}">`;
  return html`<figure><figcaption>${caption}</figcaption><div class="scroll chart" role="region" tabindex="0" aria-label="${alt}">${image('light')}${image('dark')}</div><details><summary>Data of this chart</summary>${table({ ...data, hideCaption: true })}</details></figure>`;
}

export function section(id: string, title: string, ...content: HtmlValue[]): Html {
  return html`<section id="${id}" aria-labelledby="${`${id}-title`}"><h2 id="${`${id}-title`}"><a href="${`#${id}`}">${title}</a></h2>${content}</section>`;
}

export type Tone = 'good' | 'bad' | 'warn' | 'quiet';

/** A state in a word, with a sign of its own shape, so that it does not hang on the colour. */
export function state(tone: Tone, word: string): Html {
  const signs = { good: '✓', bad: '✗', warn: '!', quiet: '·' };
  return html`<span class="state ${tone}"><span aria-hidden="true">${signs[tone]}</span> ${word}</span>`;
}

/** Name and value in pairs. */
export function facts(pairs: [string, HtmlValue][]): Html {
  return html`<dl class="facts">${pairs.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}
