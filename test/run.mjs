// The test command. Uses a Docker daemon that answers; else makes one with test/engine where it can; else runs all that
// needs none and says loudly what it left out. With ARBDECK_REQUIRE_ALL nothing may be left out.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const only = process.argv.slice(2)
const say = (text) => process.stdout.write(`${text}\n`)

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], ...options })
  return done.status ?? 1
}

const daemonAnswers = () =>
  spawnSync('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 10_000, stdio: 'ignore' }).status === 0

/** Whether .env names local images already, as test/engine/up.sh writes them. */
function hasLocalImages() {
  try {
    return /^ARBDECK_IMAGE_BASE=/m.test(readFileSync(path.join(root, '.env'), 'utf8'))
  } catch {
    return false
  }
}

const hasCompose = () =>
  [['docker', 'compose'], ['docker-compose']].some(
    ([command, ...first]) =>
      spawnSync(command, [...first, 'version'], { timeout: 30_000, stdio: 'ignore' }).status === 0,
  )

/** An engine with the images that tests need: one that is there, or one that we make. */
function prepareEngine() {
  const debianRoot = process.platform === 'linux' && process.getuid?.() === 0 && existsSync('/etc/debian_version')
  if (daemonAnswers() && ((hasLocalImages() && hasCompose()) || !debianRoot)) return true
  if (!debianRoot) return false
  say('engine: making one from Debian packages with test/engine/up.sh (about two minutes the first time)')
  return run('bash', ['test/engine/up.sh']) === 0 && daemonAnswers()
}

function runChecks() {
  const checks = [
    ['tsc', ['-p', '.']],
    ['biome', ['check', '.']],
    ['knip', []],
  ]
  return checks.map(([name, args]) => {
    const ok = run(process.execPath, [path.join(root, 'node_modules', '.bin', name), ...args]) === 0
    say(`check ${name}: ${ok ? 'ok' : 'FAILED'}`)
    return ok
  })
}

function runVitest(withEngine) {
  const folder = mkdtempSync(path.join(tmpdir(), 'arbdeck-tests-'))
  const report = path.join(folder, 'report.json')
  const args = [
    'run',
    '--config',
    'test/vitest.config.ts',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    ...only,
  ]
  const env = { ...process.env, ...(withEngine ? {} : { ARBDECK_WITHOUT_ENGINE: '1' }) }
  const status = run(process.execPath, [path.join(root, 'node_modules', 'vitest', 'vitest.mjs'), ...args], { env })
  const counts = existsSync(report)
    ? JSON.parse(readFileSync(report, 'utf8'))
    : { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, testResults: [] }
  rmSync(folder, { recursive: true, force: true })
  const brokenFiles = counts.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length
  const failed = counts.numFailedTests + brokenFiles
  return {
    passed: counts.numPassedTests,
    failed: failed === 0 && status !== 0 ? 1 : failed,
    skipped: counts.numPendingTests,
  }
}

const built = run(process.execPath, ['src/build.mjs']) === 0
const checks = only.length === 0 ? runChecks() : []
const withEngine = built && prepareEngine()
const tests = built ? runVitest(withEngine) : { passed: 0, failed: 1, skipped: 0 }

if (tests.skipped > 0) {
  say('')
  say(`LEFT OUT: ${tests.skipped} tests${withEngine ? '' : ' that need a Docker engine'}.`)
  if (!withEngine) say('To run them: start Docker, or on Debian as root run test/engine/up.sh, then npm test again.')
}
const requireAll = Boolean(process.env.ARBDECK_REQUIRE_ALL)
const leftOut = requireAll ? tests.skipped : 0
const passed = tests.passed + checks.filter(Boolean).length
const failed = tests.failed + checks.filter((ok) => !ok).length + leftOut
say(`tests: ${passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
