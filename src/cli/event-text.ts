import type { FleetEvent } from '../protocol/event.ts'
import { coin, shortHash, timeOf } from './text.ts'

/** An event as one line for a person. */
export function eventText(event: FleetEvent): string {
  return `${timeOf(event.at)}  ${event.type.padEnd(11)}  ${(DETAIL[event.type] as (of: FleetEvent) => string)(event)}`
}

type Details = { [T in FleetEvent['type']]: (event: Extract<FleetEvent, { type: T }>) => string }

const DETAIL: Details = {
  service: ({ name, state, note }) => `${name}: ${state}${noted(note)}`,
  agent: ({ id, state, note }) => `${id}: ${state}${noted(note)}`,
  opportunity: ({ id, profitWei, block, route }) => `${shortHash(id)} +${coin(profitWei)} at block ${block}  ${route}`,
  trade: ({ id, stage, outcome, attempt, agent, reason }) =>
    `${shortHash(id)} ${stage} ${outcome}${attempt > 1 ? ` (attempt ${attempt})` : ''} by ${agent}${because(reason)}`,
  execution: ({ id, profitWei, predictedWei, exact, gasWei, block }) =>
    `${shortHash(id)} paid ${coin(profitWei)}, predicted ${coin(predictedWei)}${exact ? '' : ' (NOT EQUAL)'}, gas ${coin(gasWei)}, block ${block}`,
  execution_corrected: ({ id, was, status, profitWei, gasWei, reason }) =>
    `${shortHash(id)} was ${was}, is ${status}: paid ${coin(profitWei)}, gas ${coin(gasWei)}${because(reason)}`,
  scale: ({ counts }) =>
    Object.entries(counts)
      .map(([role, count]) => `${role}=${count}`)
      .join(' '),
  autoscale: ({ role, from, to, cause }) => `${role} ${from} → ${to}: ${cause}`,
  step: ({ kind, id, cause }) => `${kind} ${id}: ${cause}`,
  failure: ({ id, cause, count, waitMs, lines }) => {
    const often = count > 1 ? ` (${count} times in a row)` : ''
    const again = waitMs > 0 ? `; starts again in ${Math.ceil(waitMs / 1_000)} s` : ''
    return `${id} ${cause}${often}${again}${because(lines.at(-1) ?? null)}`
  },
  halt: ({ set, by, reason }) => (set ? `halted by ${by}${because(reason)}` : `resumed by ${by}`),
  chain: ({ chainId, state, chainInstance }) => `${chainId} ${state} (${chainInstance})`,
  note: ({ level, from, message }) => `${level} from ${from}: ${message}`,
}

const because = (reason: string | null): string => (reason ? `: ${reason}` : '')
const noted = (note: string | undefined): string => (note ? ` (${note})` : '')
