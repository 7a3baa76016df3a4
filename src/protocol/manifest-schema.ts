import { z } from 'zod'
import { FleetSpecSchema } from './fleet.ts'

/**
 * JSON Schema of a fleet manifest, for editors; config/fleet.schema.json holds it. Draft 7, which every editor knows. What one
 * field demands of another (`src/fleet/role-faults.ts`) it cannot say.
 */
export function manifestSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(FleetSpecSchema, {
      target: 'draft-7',
      io: 'input',
      unrepresentable: 'any',
    }),
    title: 'Fleet manifest of arbdeck',
  }
}
