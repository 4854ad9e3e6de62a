import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Result } from '../orchestrator/result/schema.js';
import { renderHtml } from './html/page.js';
import { renderJunit } from './junit.js';
import { loadRun } from './run-folder.js';
import { renderSummary } from './summary.js';
import { explain, writeWhole } from './write.js';

export { ReportError } from './errors.js';
export { renderTerminal } from './terminal.js';

export interface ReportOptions {
  /** Where the reports go; the run folder itself when not given. Made when it is missing. */
  outDir?: string | undefined;
  /** Which ones, as the scenario's `report` says; summary.md is always written. Default: all. */
  html?: boolean | undefined;
  junit?: boolean | undefined;
}

export interface Reports {
  /** Paths of what was written: report.html, summary.md, junit.xml. */
  files: string[];
  result: Result;
  /** True when result.json could not be used and the result was rebuilt from the run's other files. */
  partial: boolean;
}

/**
 * Writes the reports of a run from its folder: each file whole or not at all. Nothing is sent and nothing in the folder but the reports changes, so
 * it can be called again at any time. Throws a ReportError (no such run, not a run, wrong version, not writable, disk full).
 */
export async function renderReports(runDir: string, options: ReportOptions = {}): Promise<Reports> {
  const view = await loadRun(runDir);
  const outDir = options.outDir ?? runDir;
  if (options.outDir !== undefined) {
    await mkdir(outDir, { recursive: true }).catch((error) => {
      throw explain(outDir, error);
    });
  }
  const files: string[] = [];
  const write = async (name: string, content: string): Promise<void> => {
    const path = join(outDir, name);
    await writeWhole(path, content);
    files.push(path);
  };
  if (options.html !== false) await write('report.html', renderHtml(view));
  await write('summary.md', renderSummary(view));
  if (options.junit !== false) await write('junit.xml', renderJunit(view));
  return { files, result: view.result, partial: view.partial };
}
