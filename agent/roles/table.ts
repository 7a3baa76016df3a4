import type { Role } from '../role.ts'

/** Every role of ours, fresh for one agent. Loaded when asked for: a ui_coder loads nothing of the chain. */
export const ROLES: Readonly<Record<string, () => Promise<Role>>> = {
  code_indexer: async () => (await import('./code-indexer.ts')).codeIndexer(),
  builder: async () => (await import('./builder.ts')).builder(),
  test_writer: async () => (await import('./test-writer.ts')).testWriter(),
  executor: async () => (await import('./executor.ts')).executor(),
  coordinator: async () => (await import('./coordinator.ts')).coordinator(),
  planner: async () => (await import('./planner.ts')).planner(),
  fixer: async () => (await import('./fixer.ts')).fixer(),
  ui_coder: async () => (await import('./ui-coder.ts')).uiCoder(),
  reviewer: async () => (await import('./reviewer.ts')).reviewer(),
  admin: async () => (await import('./admin.ts')).admin(),
}
