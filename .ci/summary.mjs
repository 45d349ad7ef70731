// Prints "N passed, N failed" from Jest's report. A failed check, a suite that could not run, or a skipped test counts as failed.
import { readFileSync } from 'node:fs';

const [file, checksFailed] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const skipped = report.numPendingTests + report.numTodoTests;
const failed = report.numFailedTests + report.numRuntimeErrorTestSuites + skipped;
for (const suite of report.testResults) {
  for (const test of suite.assertionResults) {
    if (test.status !== 'passed') console.log(`${test.status}: ${test.fullName}`);
  }
  if (suite.status === 'failed' && suite.assertionResults.length === 0) console.log(`could not run: ${suite.name}\n${suite.message}`);
}
if (skipped > 0) console.log(`${skipped} tests were skipped: on CI that is a failure`);
const broken = failed > 0 || checksFailed !== '0' || !report.success;
if (broken && failed === 0) console.log('the tests passed, but a check before them failed: see above');
console.log(`${report.numPassedTests} passed, ${broken ? Math.max(1, failed) : 0} failed`);
process.exit(broken ? 1 : 0);
