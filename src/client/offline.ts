import type { QuoteOrder, QuoteReport, ScanOrder, ScanReport, TokenNames } from '../protocol/offline.ts'
import type { Address } from '../protocol/units.ts'

/** What is computed from a pool snapshot, without a fleet. src/main.ts hands the real one to the commands. */
export interface Offline {
  /**
   * @param signal ends it; its reason is thrown
   * @throws FleetError `config_invalid` for a snapshot that cannot be read, `usage` for a base token that is not in it
   */
  scan(order: ScanOrder, signal: AbortSignal): Promise<{ report: ScanReport; base: Address; names: TokenNames }>
  /**
   * Reads a snapshot once, for as many quotes as are asked.
   * @throws FleetError `config_invalid` for a snapshot that cannot be read
   */
  openQuotes(snapshot: string): Promise<(order: QuoteOrder) => QuoteReport>
}
