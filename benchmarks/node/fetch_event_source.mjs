// The conformance suite's adapter for @microsoft/fetch-event-source: its `fetch` is answered here, without a network.
import { createRequire } from 'node:module'
import { createInterface } from 'node:readline'
import { fetchEventSource } from '@microsoft/fetch-event-source'

const { version } = createRequire(import.meta.url)('@microsoft/fetch-event-source/package.json')
const say = (value) => process.stdout.write(JSON.stringify(value) + '\n')

// It is made for browsers: what it asks of one at the end of a stream.
globalThis.window = globalThis
globalThis.document = { removeEventListener: () => {} }

const play = async (reads) => {
  const answer = { items: [] }
  let after = 0
  const body = new ReadableStream(
    {
      pull(controller) {
        const read = reads[after]
        after += 1
        if (read === undefined) controller.close()
        else controller.enqueue(read)
      },
    },
    { highWaterMark: 0 }, // so that a read is asked for when the one before has been decoded
  )
  const began = process.cpuUsage()
  try {
    await fetchEventSource('http://127.0.0.1/', {
      openWhenHidden: true,
      fetch: async () => new Response(body, { headers: { 'content-type': 'text/event-stream' } }),
      onmessage: ({ data, event, id, retry }) => {
        // It tells of a block that has no data as of an event; a reader that follows its documentation gets both.
        answer.items.push({ data, event: event || 'message', id, after })
        if (retry !== undefined) answer.reconnection_time = retry
      },
      onerror: (error) => { throw error },
    })
  } catch (error) {
    answer.error = String(error)
  }
  const { user, system } = process.cpuUsage(began)
  return { ...answer, cpu: (user + system) / 1e6 }
}

say({ protocol: 1, name: 'fetch-event-source', version })
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { play: number, reads } = JSON.parse(line)
  say({ play: number, ...(await play(reads.map((read) => new Uint8Array(Buffer.from(read, 'base64'))))) })
}
