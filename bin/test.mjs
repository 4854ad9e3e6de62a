// Runs all tests and ends with one line: `N passed, N failed`. Arguments go to jest.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dir = mkdtempSync(join(tmpdir(), 'shadowline-test-'));
const report = join(dir, 'jest.json');
const jest = join(root, 'node_modules', 'jest', 'bin', 'jest.js');
const done = spawnSync(
  process.execPath,
  ['--experimental-vm-modules', '--no-warnings', jest, '--json', `--outputFile=${report}`, ...process.argv.slice(2)],
  { cwd: root, stdio: ['ignore', 2, 2] },
);
let line = '0 passed, 1 failed';
let failed = true;
try {
  const result = JSON.parse(readFileSync(report, 'utf8'));
  // A file that cannot be loaded has no failed test of its own, and counts as one.
  const failures = result.numFailedTests + result.numRuntimeErrorTestSuites;
  failed = failures > 0 || result.numPassedTests === 0;
  line = `${result.numPassedTests} passed, ${failures} failed`;
  if (result.numPendingTests > 0) line += `, ${result.numPendingTests} skipped`;
} catch {
  process.stderr.write('jest wrote no report\n');
}
rmSync(dir, { recursive: true, force: true });
console.log(line);
process.exitCode = failed || done.status !== 0 ? 1 : 0;
