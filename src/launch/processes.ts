/** Runs the process of a fleet on Docker that `args` name; undefined when they name none. */
export async function runContainerProcess(args: readonly string[], version: string): Promise<number | undefined> {
  const [name, ...rest] = args
  switch (name) {
    case 'controller':
    case 'hub':
    case 'bot':
    case 'sandbox':
    case 'agent': {
      const { runService } = await import('./service.ts')
      return runService(name, rest, version, async (parts) => (await import('./service-start.ts')).startProcess(parts))
    }
    case 'wanted-init': {
      const [{ runJob }, { writeComposedWanted }] = await Promise.all([
        import('./service.ts'),
        import('./wanted-init.ts'),
      ])
      return runJob(name, rest, version, async (parts) => {
        const { profile } = await writeComposedWanted(parts)
        parts.log('info', `the fleet ${parts.fleet} is wanted, profile ${profile}`)
        await parts.memory.close()
      })
    }
    case 'secrets-init':
      return (await import('./secrets-init.ts')).runSecretsInit()
    default:
      return undefined
  }
}
