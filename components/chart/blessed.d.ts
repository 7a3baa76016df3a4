/** The little that is used of two libraries without types of their own. */
declare module 'blessed' {
  const blessed: { Node: { prototype: object } }
  // biome-ignore lint/style/noDefaultExport: the library has no other
  export default blessed
}

declare module 'blessed-contrib/lib/widget/charts/line.js' {
  export interface LineWidget {
    parent: unknown
    detached: boolean
    emit(event: 'attach'): void
    setData(series: { x: string[]; y: number[] }[]): void
    ctx: {
      clearRect: () => void
      _canvas: {
        content: Uint8Array
        chars: (string | null)[]
        colors: (string | null)[]
        frame(): string
      }
    }
  }
  const Line: new (options: Record<string, unknown>) => LineWidget
  // biome-ignore lint/style/noDefaultExport: the library has no other
  export default Line
}
