import { unreachable } from '../protocol/errors.ts'
import type { FleetEvent } from '../protocol/event.ts'
import { coin, shortHash, timeOf } from './text.ts'

/** An event as one line for a person. */
export function eventText(event: FleetEvent): string {
  return `${timeOf(event.at)}  ${event.type.padEnd(11)}  ${detail(event)}`
}

function detail(event: FleetEvent): string {
  switch (event.type) {
    case 'service':
      return `${event.name}: ${event.state}${event.note ? ` (${event.note})` : ''}`
    case 'agent':
      return `${event.id}: ${event.state}${event.note ? ` (${event.note})` : ''}`
    case 'opportunity':
      return `${shortHash(event.id)} +${coin(event.profitWei)} at block ${event.block}  ${event.route}`
    case 'trade':
      return `${shortHash(event.id)} ${event.stage} ${event.outcome}${event.attempt > 1 ? ` (attempt ${event.attempt})` : ''} by ${event.agent}${because(event.reason)}`
    case 'execution':
      return `${shortHash(event.id)} paid ${coin(event.profitWei)}, predicted ${coin(event.predictedWei)}${event.exact ? '' : ' (NOT EQUAL)'}, gas ${coin(event.gasWei)}, block ${event.block}`
    case 'execution_corrected':
      return `${shortHash(event.id)} was ${event.was}, is ${event.status}: paid ${coin(event.profitWei)}, gas ${coin(event.gasWei)}${because(event.reason)}`
    case 'scale':
      return Object.entries(event.counts)
        .map(([role, count]) => `${role}=${count}`)
        .join(' ')
    case 'step':
      return `${event.kind} ${event.id}: ${event.cause}`
    case 'halt':
      return event.set ? `halted by ${event.by}${because(event.reason)}` : `resumed by ${event.by}`
    case 'chain':
      return `${event.chainId} ${event.state} (${event.chainInstance})`
    case 'note':
      return `${event.level} from ${event.from}: ${event.message}`
    default:
      return unreachable(event)
  }
}

const because = (reason: string | null): string => (reason ? `: ${reason}` : '')
