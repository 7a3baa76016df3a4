import type { FleetOptions } from '../client/launcher.ts'
import type { FleetFile } from '../client/state.ts'
import { portHolder } from '../hub/holder.ts'
import { FleetError } from '../protocol/errors.ts'
import { chainName } from './chain-choice.ts'
import { portIsFree } from './port.ts'

/** The hub's port must be free, or 0. @throws FleetError `port_taken` naming who has it where that can be told */
export async function refuseTakenPort(port: number): Promise<void> {
  if (port === 0 || (await portIsFree(port))) return
  const holder = await portHolder(port)
  throw new FleetError('port_taken', `port ${port} of the hub is taken${holder ? ` by ${holder}` : ''}`, {
    remedy: 'Free it, or choose another with --hub-port.',
  })
}

/** What was asked for by name must be what runs. @throws FleetError `fleet_conflict` */
export function refuseOther(options: FleetOptions, running: FleetFile, manifestHash: string): void {
  const conflict = (what: string) =>
    new FleetError('fleet_conflict', `the fleet ${options.fleet} runs with another ${what}`, {
      remedy: `Take it down first (arbdeck down --fleet ${options.fleet}), or choose another name with --fleet.`,
    })
  if (options.manifest !== undefined && running.manifestHash !== manifestHash) throw conflict('manifest')
  if (options.chain !== undefined && chainName(options.chain) !== running.chain)
    throw conflict(`chain (${running.chain})`)
  if (options.chainId !== undefined && running.chainId !== options.chainId) throw conflict(`chain (${running.chainId})`)
  if (options.live && running.live !== true) throw conflict('purpose: it runs dry, without --live')
}
