import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { build, eventually } from '../fixtures/cli.ts'
import { processesOf } from '../fixtures/processes.ts'
import { ROLE_NAMES } from '../fixtures/roles.ts'

const FLEET = 'test-screen'
/** Cursor shown, main screen back: what the screen says last. */
const GIVEN_BACK = '\u001b[?25h\u001b[?1049l'
const bin = new URL('../../src/bin.mjs', import.meta.url).pathname
const state = mkdtempSync(path.join(tmpdir(), 'ad-'))

beforeAll(build)
afterAll(() => rmSync(state, { recursive: true, force: true }))

/** The screen in a real terminal of script(1), 120 columns by 35 rows, on a practice fleet of its own. */
class Terminal {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  shown = ''

  constructor() {
    const command = `stty cols 120 rows 35; exec '${process.execPath}' '${bin}' --engine embedded --fleet ${FLEET}`
    const env = { ...process.env, XDG_STATE_HOME: state, TERM: 'xterm-256color', NO_COLOR: '1' }
    this.child = spawn('script', ['-qfec', command, '/dev/null'], { env, stdio: 'pipe' })
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text
    })
    this.ended = new Promise((resolve) => this.child.once('close', resolve))
  }

  /** All that was shown, without colours and cursor moves. */
  get text(): string {
    return stripVTControlCharacters(this.shown)
  }

  press(keys: string): void {
    this.child.stdin?.write(keys)
  }

  async shows(text: string | RegExp): Promise<void> {
    await expect.poll(() => this.text, { timeout: 60_000 }).toMatch(text)
  }
}

async function nothingIsLeft(): Promise<void> {
  await eventually('every process of the fleet is gone', () => processesOf(FLEET).length === 0)
}

test('the screen shows ten healthy roles and the first trades, and q gives the terminal back', async () => {
  const terminal = new Terminal()
  await terminal.shows('10 of 10 healthy')
  for (const role of ROLE_NAMES) expect(terminal.text).toContain(role)
  await terminal.shows(/profit \+\d/)
  terminal.press('q')
  expect(await terminal.ended).toBe(0)
  expect(terminal.shown.trimEnd().endsWith(GIVEN_BACK)).toBe(true)
  await nothingIsLeft()
}, 120_000)

test('plus and minus scale the selected role, and Ctrl-C ends as q does', async () => {
  const terminal = new Terminal()
  await terminal.shows('10 of 10 healthy')
  terminal.press('+')
  await terminal.shows('11 of 11 healthy')
  terminal.press('-')
  await eventually(
    'it is ten again',
    () => terminal.text.lastIndexOf('10 of 10') > terminal.text.lastIndexOf('11 of 11'),
  )
  terminal.press('\u0003')
  expect(await terminal.ended).toBe(0)
  expect(terminal.shown.trimEnd().endsWith(GIVEN_BACK)).toBe(true)
  await nothingIsLeft()
}, 120_000)

test('SIGTERM ends the screen and its fleet in order', async () => {
  const terminal = new Terminal()
  await terminal.shows('10 of 10 healthy')
  const [screen] = processesOf(`${bin}\0--engine`, 'node')
  process.kill(screen as number, 'SIGTERM')
  expect(await terminal.ended).toBe(143)
  expect(terminal.shown.trimEnd().endsWith(GIVEN_BACK)).toBe(true)
  await nothingIsLeft()
}, 120_000)
