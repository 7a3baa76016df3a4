import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { profileOf, readProfile, tokensOf } from '../../../src/fleet/chain-profile.ts'
import { asFleetError } from '../../../src/protocol/errors.ts'

const committed = new URL('../../../config/chains', import.meta.url).pathname
const good = readFileSync(path.join(committed, 'mainnet.yaml'), 'utf8')
const folder = mkdtempSync(path.join(tmpdir(), 'ad-profiles-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const lineOf = (text: string, part: string) => text.split('\n').findIndex((line) => line.includes(part)) + 1

function faultsOf(text: string): string[] {
  const file = path.join(folder, 'chain.yaml')
  writeFileSync(file, text)
  try {
    readProfile(file)
  } catch (thrown) {
    const error = asFleetError(thrown)
    expect(error).toMatchObject({ code: 'config_invalid', remedy: expect.stringContaining('mainnet.yaml') })
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.replace(`${file}:`, ''))
  }
  return []
}

describe('the committed profiles', () => {
  test.each([
    [1, 'mainnet', 'none'],
    [42_161, 'arbitrum', 'none'],
    [8_453, 'base', 'op_stack'],
  ])('chain %i is %s', (chainId, name, l1Fee) => {
    const profile = profileOf(chainId, committed)
    expect(profile).toMatchObject({ chainId, name, l1Fee, submit: 'public' })
    expect(profile.bases[0]).toBe(profile.wrappedNative)
    expect(profile.lenders.map(({ kind }) => kind)).toEqual(['aave_v3', 'balancer_v2'])
    const all = [...tokensOf(profile), ...profile.factories, ...profile.lenders].map(({ address }) => address)
    expect(new Set(all).size).toBe(all.length)
    for (const address of all) expect(address).toMatch(/^0x[0-9a-f]{40}$/)
  })

  test('there are no others', () => {
    expect(readdirSync(committed).sort()).toEqual(['arbitrum.yaml', 'base.yaml', 'mainnet.yaml'])
  })
})

describe('faults', () => {
  test('a chain without a profile: the folder is named, and how to add one', () => {
    const error = asFleetError(
      (() => {
        try {
          return profileOf(77, committed)
        } catch (thrown) {
          return thrown
        }
      })(),
    )
    expect(error).toMatchObject({ code: 'config_invalid', exitCode: 2 })
    expect(error.message).toContain(committed)
    expect(error.remedy).toMatch(/NAME\.yaml.*mainnet\.yaml.*--chains-dir/)
  })

  test('two profiles of one chain are named both', () => {
    writeFileSync(path.join(folder, 'a.yaml'), good)
    writeFileSync(path.join(folder, 'chain.yaml'), good)
    expect(() => profileOf(1, folder)).toThrow(/a\.yaml and .*chain\.yaml are both of chain 1/)
    rmSync(path.join(folder, 'a.yaml'))
  })

  test('a folder that is not there', () => {
    expect(() => profileOf(1, path.join(folder, 'nothing'))).toThrow(/nothing cannot be read/)
  })

  test('all of them come at once, each with its line', () => {
    const text = good
      .replace('finalityBlocks: 64', 'finalityBlock: 64')
      .replace('bases: [WETH, USDC]', 'bases: [WETH, USDX]')
      .replace('feePips: 3000\n    fromBlock: 10794229', 'fromBlock: 10794229')
      .replace('"0x6B175474E89094C44Da98b954EedeAC495271d0F"', '"0x6B17"')
    expect(faultsOf(text)).toEqual([
      '3: finalityBlocks is missing; want number',
      `${lineOf(text, 'bases:')}: bases.1: USDX is not one of tokens; add it there`,
      `${lineOf(text, '0x6B17')}: tokens.DAI.address: want an address: 0x and 40 hex digits, in quotes`,
      `${lineOf(text, 'dex: sushi_v2') - 1}: factories.1: a v2 factory needs feePips, its fee rule`,
      `${lineOf(text, 'finalityBlock:')}: unknown key "finalityBlock" in the chain profile; did you mean finalityBlocks?`,
    ])
  })

  test('two symbols of one address, a lender of a kind that has no pool of its own, text that is no YAML', () => {
    const twins = good.replace(
      '"0xdAC17F958D2ee523a2206206994597C13D831ec7"',
      '"0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48"',
    )
    expect(faultsOf(twins)).toEqual([`${lineOf(twins, 'USDT:')}: tokens.USDT: the address is that of USDC`])
    const lender = good.replace('kind: aave_v3', 'kind: uniswap_v3')
    expect(faultsOf(lender)[0]).toMatch(new RegExp(`^${lineOf(lender, 'kind: uniswap_v3, address')}: lenders.0.kind: `))
    expect(faultsOf('version: [1')[0]).toMatch(/^1: not YAML/)
  })
})
