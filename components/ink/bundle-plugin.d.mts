import type { Plugin } from 'esbuild'

export const screenPlugins: Plugin[]
