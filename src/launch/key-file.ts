import { readFileSync, statSync } from 'node:fs'
import { addressOfKey } from '../../agent/dex/trade/send.ts'
import { FleetError } from '../protocol/errors.ts'
import type { Address, Hex } from '../protocol/units.ts'

/** In the state folder of an embedded fleet, mode 0600, while the fleet lives: the keys of `--key-file`, one a line. */
export const KEYS_FILE = 'executor-keys'

export interface KeyFile {
  /** In the order of the file: replica n of the executors uses the n-th. */
  keys: Hex[]
  addresses: Address[]
  /** Others on this machine can read it. */
  exposed: boolean
}

/**
 * Private keys, one a line: 64 hex digits, with or without 0x. Blank lines and lines that begin with # are passed over.
 * @throws FleetError `config_invalid` naming the line, never what is on it
 */
export function readKeyFile(file: string): KeyFile {
  const { text, mode } = contents(file)
  const keys: Hex[] = []
  const addresses: Address[] = []
  text.split(/\r?\n/).forEach((line, i) => {
    const written = line.trim()
    if (written === '' || written.startsWith('#')) return
    const key = keyIn(written)
    if (key === undefined) throw faulty(file, i + 1, 'is not a private key: want 64 hex digits')
    const address = addressOfKey(key)
    if (addresses.includes(address)) throw faulty(file, i + 1, `repeats the key of ${address}`)
    keys.push(key)
    addresses.push(address)
  })
  if (keys.length === 0) throw faulty(file, 1, 'begins a file without a key')
  return { keys, addresses, exposed: process.platform !== 'win32' && (mode & 0o077) !== 0 }
}

function contents(file: string): { text: string; mode: number } {
  try {
    return { text: readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), mode: statSync(file).mode }
  } catch (cause) {
    throw new FleetError('config_invalid', `the key file ${file} cannot be read`, {
      remedy: 'Name a file with one private key a line, readable by you alone.',
      cause,
    })
  }
}

function keyIn(line: string): Hex | undefined {
  const digits = /^(?:0x)?([0-9a-fA-F]{64})$/.exec(line)?.[1]
  if (digits === undefined) return undefined
  const key: Hex = `0x${digits.toLowerCase()}`
  try {
    addressOfKey(key)
    return key
  } catch {
    return undefined // 0, or not below the order of the curve
  }
}

const faulty = (file: string, line: number, what: string): FleetError =>
  new FleetError('config_invalid', `${file}:${line} ${what}`, {
    remedy: 'Write one private key a line, and keep each of them once.',
  })
