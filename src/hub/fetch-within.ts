/**
 * `fetch` for servers that nobody vouches for: an answer longer than `maxBytes` ends in an error before it fills our memory.
 * Of an event stream, which may go on for ever, each event counts for itself.
 */
export function fetchWithin(maxBytes: number): typeof fetch {
  return async (input, init) => {
    const response = await fetch(input, init)
    if (response.body === null) return response
    const { status, statusText, headers } = response
    const isStream = headers.get('content-type')?.startsWith('text/event-stream') ?? false
    return new Response(response.body.pipeThrough(limit(maxBytes, isStream)), { status, statusText, headers })
  }
}

function limit(maxBytes: number, isStream: boolean): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0
  return new TransformStream({
    transform(chunk, controller) {
      const end = isStream ? Buffer.from(chunk).lastIndexOf('\n\n') : -1
      bytes = end < 0 ? bytes + chunk.length : chunk.length - end
      if (bytes > maxBytes) controller.error(new Error(`the answer is longer than ${maxBytes} bytes`))
      else controller.enqueue(chunk)
    },
  })
}
