import { Box, Text } from 'ink'
import { useSyncExternalStore } from 'react'
import type { Rect } from './layout.ts'
import { layoutOf } from './layout.ts'
import { agentsShown, type Model } from './model.ts'
import type { Theme } from './theme.ts'
import { agentsPane } from './view/agents-pane.ts'
import { chartPane } from './view/chart-pane.ts'
import { fleetPane } from './view/fleet-pane.ts'
import { helpPane, smallScreen } from './view/help.ts'
import { locksPane } from './view/locks-pane.ts'
import { logsPane } from './view/logs-pane.ts'
import { opportunitiesPane } from './view/opportunities-pane.ts'
import { startupPanes } from './view/startup.ts'
import { hintLine, statusLines } from './view/status.ts'

const PANE = {
  fleet: fleetPane,
  agents: agentsPane,
  opportunities: opportunitiesPane,
  logs: logsPane,
  chart: chartPane,
} as const

export interface ModelSource {
  model(): Model
  subscribe(listener: () => void): () => void
}

export function App({ store, theme }: { store: ModelSource; theme: Theme }) {
  const model = useSyncExternalStore(store.subscribe, store.model)
  return <Screen model={model} theme={theme} />
}

/** The whole screen for one model: status, panes, hints. Every line is as wide as its place and no wider. */
export function Screen({ model, theme }: { model: Model; theme: Theme }) {
  const { columns, rows } = model.size
  const { focus, zoom } = model.look
  const layout = layoutOf(model.size, { focus, zoom, agents: agentsShown(model).length })
  if (layout.kind === 'small') return <Text>{smallScreen(model.size)}</Text>
  const body: Rect = { x: 0, y: layout.statusRows, width: columns, height: rows - layout.statusRows - 1 }
  return (
    <Box width={columns} height={rows}>
      <Lines
        area={{ ...body, y: 0, height: layout.statusRows }}
        lines={statusLines(model, columns, layout.statusRows, theme)}
      />
      {panes(model, layout.areas, body, theme).map(({ name, area, lines }) => (
        <Lines key={name} area={area} lines={lines} />
      ))}
      <Lines area={{ ...body, y: rows - 1, height: 1 }} lines={[hintLine(model, columns, theme)]} />
    </Box>
  )
}

interface PlacedPane {
  name: string
  area: Rect
  lines: readonly string[]
}

function panes(model: Model, areas: ReturnType<typeof layoutOf>['areas'], body: Rect, theme: Theme): PlacedPane[] {
  const { over, overTop } = model.look
  if (over === 'help') return [{ name: over, area: body, lines: helpPane(overTop, body, theme) }]
  if (over === 'locks') return [{ name: over, area: body, lines: locksPane(model, body, theme) }]
  if (model.snapshot === null) {
    return startupPanes(model, body, theme).map((pane, index) => ({ name: `start-${index}`, ...pane }))
  }
  return Object.entries(areas).map(([name, area]) => ({
    name,
    area,
    lines: PANE[name as keyof typeof areas](model, area, theme),
  }))
}

/** Finished lines at their place: one text a line, so that only lines that changed cost anything. */
function Lines({ area, lines }: { area: Rect; lines: readonly string[] }) {
  return (
    <Box
      position="absolute"
      marginLeft={area.x}
      marginTop={area.y}
      width={area.width}
      height={area.height}
      flexDirection="column"
      flexShrink={0}
    >
      {lines.map((line, row) => (
        <Text key={row} wrap="truncate">
          {line || ' '}
        </Text>
      ))}
    </Box>
  )
}
