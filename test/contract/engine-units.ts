import { createHash } from 'node:crypto'
import type { UnitSpec } from '../../src/ports/engine/engine.ts'
import { parseReplicaId, type ServiceName } from '../../src/protocol/fleet.ts'
import { setting } from '../fixtures/env.ts'
import type { Program } from './engine.ts'

export const BASE_IMAGE = setting('ARBDECK_IMAGE_BASE', 'node:20.19-bookworm-slim')

/** What the programs are as Node scripts. */
const SCRIPTS: Record<Program, string> = {
  serve:
    "process.on('SIGTERM', () => process.exit(0)); console.log('one'); console.log('two'); setInterval(() => {}, 1000)",
  finish: 'setTimeout(() => process.exit(0), 300)',
  crash: 'setTimeout(() => process.exit(1), 300)',
  chatter: "let n = 0; process.on('SIGTERM', () => process.exit(0)); setInterval(() => console.log('line ' + n++), 50)",
  stubborn: "process.on('SIGTERM', () => {}); console.log('ready'); setInterval(() => {}, 1000)",
  impossible: '',
}

/** A hardened container of the base image that runs a program of the tests. */
export function scriptUnit(id: string, program: Program, specHash = 'aaaa'): UnitSpec {
  const image = program === 'impossible' ? 'arbdeck-agent:no-such-image' : BASE_IMAGE
  return { ...bareUnit(id, specHash), image, command: ['node', '-e', SCRIPTS[program]], memoryBytes: 64 * 1024 * 1024 }
}

/** A unit with nothing but a name. */
export function bareUnit(id: string, specHash = 'aaaa'): UnitSpec {
  const agent = parseReplicaId(id)
  return {
    id,
    unit: agent ? { kind: 'agent', ...agent } : { kind: 'service', service: id as ServiceName },
    specHash,
    image: 'none',
    command: [],
    env: {},
    mounts: [],
    ports: [],
    networks: [],
    readOnlyRoot: true,
    tmpfs: ['/tmp'],
  }
}

/** A fleet name that no other run has. */
export const testFleet = (): string =>
  `test-${createHash('sha256').update(`${process.pid} ${process.hrtime.bigint()}`).digest('hex').slice(0, 8)}`
