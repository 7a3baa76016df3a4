import type { Snapshot } from '../../src/protocol/snapshot.ts'
import type { Opportunity } from '../../src/protocol/trade.ts'
import { ageOf, formatAmount, formatProfit, shortId } from '../format.ts'
import type { Rect } from '../layout.ts'
import { cursorOf, type Model } from '../model.ts'
import { plain } from '../text.ts'
import type { Theme } from '../theme.ts'
import { emptyLines, frame, innerHeight, innerWidth } from './frame.ts'
import { type Column, table } from './table.ts'

type Tokens = ReadonlyMap<string, Snapshot['tokens'][number]>

/** What the bot found, newest first. The profit is the predicted one, after flash premium and expected gas. */
export function opportunitiesPane(model: Model, area: Rect, theme: Theme): string[] {
  const found = model.snapshot?.opportunities ?? []
  const focused = model.look.focus === 'opportunities'
  const tokens: Tokens = new Map(model.snapshot?.tokens.map((token) => [token.address, token]))
  const lines =
    found.length === 0
      ? emptyLines('none yet: the bot looks at every block', area, theme)
      : table(
          {
            columns: columnsFor(model, tokens, theme),
            rows: found,
            cursor: focused || model.look.opportunity !== null ? cursorOf(found, model.look.opportunity) : -1,
            focused,
            width: innerWidth(area),
            height: innerHeight(area),
          },
          theme,
        )
  return frame({ title: 'Opportunities', note: found.length ? 'newest first' : '', focused, lines }, area, theme)
}

function columnsFor(model: Model, tokens: Tokens, theme: Theme): Column<Opportunity>[] {
  const profit = (o: Opportunity) => o.profitWei - o.gasWei
  return [
    { title: 'age', width: 3, align: 'right', rank: 0, text: (o) => ageOf(o.at, model.now), paint: () => theme.faint },
    {
      title: 'net ETH',
      width: 9,
      align: 'right',
      rank: 0,
      text: (o) => formatProfit(profit(o)),
      paint: (o) => (profit(o) >= 0n ? theme.good : theme.bad),
    },
    { title: 'size', width: 13, align: 'right', rank: 1, text: (o) => sizeOf(o, tokens) },
    { title: 'route', width: 12, rank: 0, grows: true, text: (o) => routeOf(o, tokens) },
  ]
}

const symbolOf = (address: string, tokens: Tokens): string => plain(tokens.get(address)?.symbol ?? address.slice(0, 6))

function sizeOf(found: Opportunity, tokens: Tokens): string {
  const token = tokens.get(found.token)
  return token ? `${formatAmount(found.sizeRaw, token.decimals)} ${plain(token.symbol)}` : shortId(found.token)
}

/** `WETH→USDC→WETH  sushi_v2 uniswap_v3 0.05%`: the tokens, then where each hop trades. */
function routeOf(found: Opportunity, tokens: Tokens): string {
  const path = [found.token, ...found.hops.map((hop) => hop.tokenOut)].map((address) => symbolOf(address, tokens))
  const venues = found.hops.map((hop) => (hop.kind === 'v2' ? hop.dex : `${hop.dex} ${hop.feePips / 10_000}%`))
  return `${path.join('→')}  ${plain(venues.join(', '))}`
}
